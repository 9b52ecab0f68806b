// One of our own people in the scene: bones that rest in a T, morphs with ARKit's names.

import { Vector3 } from "three";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";
import { DRACOLoader } from "three/addons/loaders/DRACOLoader.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

import { Guest } from "./guest.js";
import { dress } from "./shading.js";
import { jointTurns } from "./turns.js";

const OURS = "asynfusion_ros";

export class Figure {
  // `map` says which bones and morphs of a user's file follow ours; null for our own people.
  static async read(content, map = null, coverage = true) {
    const draco = new DRACOLoader().setDecoderPath("draco/"); // is fetched where a file needs it
    const loader = new GLTFLoader().setMeshoptDecoder(MeshoptDecoder).setDRACOLoader(draco);
    const file = await loader.parseAsync(content, "");
    draco.dispose();
    if (file.asset.generator === OURS) dress(file.scene, coverage);
    return map ? new Guest(file.scene, map) : new Figure(file.scene);
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
    this.weights = weights;
    for (const [link, turn] of jointTurns(positions, weights, this.bones.has("neck"))) {
      this.bones.get(link)?.quaternion.copy(turn);
    }
    for (const mesh of this.meshes) {
      for (const [name, index] of Object.entries(mesh.morphTargetDictionary)) {
        mesh.morphTargetInfluences[index] = weights[name] ?? 0;
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
