// A user's avatar: its bones rest as its maker liked, so ours are told to them as world rotations.
//
// A bone's rotation in the world is that of our link, times what straightens its rest pose into
// our T, times its rest rotation. Bones between mapped ones stay as they are.

import { MathUtils, Quaternion, Vector3 } from "three";

import { jointTurns } from "./turns.js";

const PARENTS = { neck: "chest", head: "neck", l_eye: "head", r_eye: "head" };
const NEXT = { upper_arm: "forearm", forearm: "hand" };
const FACING = new Quaternion().setFromAxisAngle(new Vector3(0, 1, 0), Math.PI);

export class Guest {
  // `map`: bones (ours to theirs), morphs (theirs to ARKit weights), straighten.
  constructor(scene, map) {
    this.scene = scene;
    this.map = map;
    this.weights = {};
    this.bones = new Map();
    this.meshes = [];
    const byName = new Map();
    scene.traverse((node) => {
      // The loader takes marks out of names; the file's own name is kept beside.
      byName.set(node.userData.name ?? node.name, node);
      byName.set(node.name, node);
      if (node.isMesh) node.frustumCulled = false;
      if (node.morphTargetDictionary) this.meshes.push(node);
    });
    for (const [ours, theirs] of Object.entries(map.bones)) {
      const node = byName.get(theirs) ?? byName.get(theirs.replace(/[[\].:/]/g, "").replace(/\s/g, "_"));
      if (node) this.bones.set(ours, node);
    }
    this.turnForward();
    this.measureRest();
  }

  // Some files look backwards (VRM 0): the left hand tells.
  turnForward() {
    this.scene.updateMatrixWorld(true);
    const [left, right] = [this.place("l_upper_arm"), this.place("r_upper_arm")];
    if (left && right && left.x < right.x) this.scene.quaternion.premultiply(FACING);
    this.scene.updateMatrixWorld(true);
  }

  measureRest() {
    this.links = [...this.bones.keys()].sort((a, b) => depth(this.bones.get(a)) - depth(this.bones.get(b)));
    this.rest = new Map();
    for (const link of this.links) {
      const bone = this.bones.get(link);
      const world = bone.getWorldQuaternion(new Quaternion());
      this.rest.set(link, this.straightening(link).multiply(world));
    }
  }

  // What brings a limb's direction at rest into our T; hands and fingers go with the forearm.
  straightening(link) {
    const [side, part] = [link.slice(0, 1), link.slice(2)];
    if (!this.map.straighten || link[1] !== "_" || part === "eye") return new Quaternion();
    const from = NEXT[part] ? link : `${side}_forearm`;
    const to = `${side}_${NEXT[part] ?? "hand"}`;
    const [start, end] = [this.place(from), this.place(to)];
    if (!start || !end || start.distanceTo(end) < 1e-6) return new Quaternion();
    const along = new Vector3(side === "l" ? 1 : -1, 0, 0);
    return new Quaternion().setFromUnitVectors(end.sub(start).normalize(), along);
  }

  pose(positions, weights) {
    this.weights = weights;
    const local = jointTurns(positions, weights, this.bones.has("neck"));
    const turns = new Map();
    const turnOf = (link) => {
      if (!link) return new Quaternion();
      if (!turns.has(link)) {
        turns.set(link, turnOf(parentOf(link)).clone().multiply(local.get(link) ?? new Quaternion()));
      }
      return turns.get(link);
    };
    for (const link of this.links) {
      const bone = this.bones.get(link);
      const wanted = turnOf(link).clone().multiply(this.rest.get(link));
      bone.quaternion.copy(worldTurn(bone.parent).invert().multiply(wanted));
    }
    this.express(weights);
  }

  express(weights) {
    for (const mesh of this.meshes) {
      for (const [name, index] of Object.entries(mesh.morphTargetDictionary)) {
        const row = this.map.morphs[name] ?? this.map.morphs[`#${name}`];
        if (!row) continue;
        let sum = 0;
        for (const [source, factor] of Object.entries(row)) sum += factor * (weights[source] ?? 0);
        mesh.morphTargetInfluences[index] = MathUtils.clamp(sum, 0, 1);
      }
    }
  }

  influence(name) {
    const mesh = this.meshes.find((each) => name in each.morphTargetDictionary);
    return mesh ? mesh.morphTargetInfluences[mesh.morphTargetDictionary[name]] : null;
  }

  place(bone) {
    return this.bones.get(bone)?.getWorldPosition(new Vector3()) ?? null;
  }
}

function depth(node) {
  return node.parent ? 1 + depth(node.parent) : 0;
}

// From the quaternions themselves: matrices are those of the frame before.
function worldTurn(node) {
  const turn = new Quaternion();
  for (let here = node; here; here = here.parent) turn.premultiply(here.quaternion);
  return turn;
}

function parentOf(link) {
  if (link === "chest") return null;
  if (PARENTS[link]) return PARENTS[link];
  const [side, ...rest] = link.split("_");
  const part = rest.join("_");
  if (part === "upper_arm") return "chest";
  if (part === "forearm") return `${side}_upper_arm`;
  if (part === "hand") return `${side}_forearm`;
  const number = Number(part.at(-1));
  return number > 1 ? `${side}_${part.slice(0, -1)}${number - 1}` : `${side}_hand`;
}
