// The avatar in the scene: joint positions and face weights to bones and morph targets.
//
// The file's bones rest unrotated in a T, so a local rotation is a joint's rotation with the axes
// named anew: ROS x forward, y left, z up become z, x, y.

import { Euler, Quaternion, Vector3 } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

const LINK_OF_ROBOT_JOINT = { shoulder: "upper_arm", elbow: "forearm", wrist: "hand" };
const FINGER = /^([lr])_(thumb|index|middle|ring|pinky)_[123]$/;
const BALL = /^(.*)_(yaw|pitch|roll)$/;
const AXIS_OF = { yaw: "y", pitch: "x", roll: "z" };
const EYE_YAW_RAD = 0.6; // turn of an eye at weight 1
const EYE_PITCH_RAD = 0.45;

export class Figure {
  static async load(address) {
    const file = await new GLTFLoader().loadAsync(address);
    return new Figure(file.scene);
  }

  constructor(scene) {
    this.scene = scene;
    this.bones = new Map();
    this.meshes = []; // those with morph targets
    scene.traverse((node) => {
      if (node.isBone) this.bones.set(node.name, node);
      if (node.isMesh) node.frustumCulled = false;
      if (node.morphTargetDictionary) this.meshes.push(node);
    });
    this.weights = {};
  }

  // Show joint positions [rad] and weights by name; names that the figure lacks are passed over.
  pose(positions, weights) {
    const eulers = new Map();
    for (const [name, value] of Object.entries(positions)) {
      const ball = BALL.exec(name);
      if (FINGER.test(name)) this.bendFinger(name, value);
      else if (ball) {
        const link = linkOf(ball[1]);
        if (!eulers.has(link)) eulers.set(link, new Euler(0, 0, 0, "YXZ"));
        eulers.get(link)[AXIS_OF[ball[2]]] = value;
      }
    }
    for (const [link, euler] of eulers) this.turn(link, new Quaternion().setFromEuler(euler));
    this.express(weights);
  }

  // The neck takes half of the head's turn.
  turn(link, rotation) {
    const neck = this.bones.get("neck");
    if (link === "head" && neck) {
      rotation = new Quaternion().slerp(rotation, 0.5);
      neck.quaternion.copy(rotation);
    }
    this.bones.get(link)?.quaternion.copy(rotation);
  }

  bendFinger(name, angle) {
    const bone = this.bones.get(name);
    if (!bone) return;
    const side = name.startsWith("l") ? 1 : -1;
    const axis = name.includes("thumb") ? new Vector3(0, side, 0) : new Vector3(0, 0, -side);
    bone.quaternion.setFromAxisAngle(axis, angle);
  }

  express(weights) {
    this.weights = weights;
    for (const mesh of this.meshes) {
      for (const [name, index] of Object.entries(mesh.morphTargetDictionary)) {
        mesh.morphTargetInfluences[index] = weights[name] ?? 0;
      }
    }
    this.look("l_eye", "Left", 1);
    this.look("r_eye", "Right", -1);
  }

  // Turn an eye by its eyeLook weights; outwards is the person's left for the left eye.
  look(bone, side, outwards) {
    const eye = this.bones.get(bone);
    if (!eye) return;
    const weight = (direction) => this.weights[`eyeLook${direction}${side}`] ?? 0;
    const yaw = outwards * EYE_YAW_RAD * (weight("Out") - weight("In"));
    const pitch = EYE_PITCH_RAD * (weight("Down") - weight("Up"));
    eye.quaternion.setFromEuler(new Euler(pitch, yaw, 0, "YXZ"));
  }

  influence(name) {
    const mesh = this.meshes.find((each) => name in each.morphTargetDictionary);
    return mesh ? mesh.morphTargetInfluences[mesh.morphTargetDictionary[name]] : null;
  }

  place(bone) {
    return this.bones.get(bone)?.getWorldPosition(new Vector3()) ?? null;
  }
}

// `l_shoulder` moves the link `l_upper_arm`, `head` the link `head`.
function linkOf(joint) {
  const [side, part] = joint.split("_");
  return part ? `${side}_${LINK_OF_ROBOT_JOINT[part] ?? part}` : joint;
}
