// A URDF robot in the scene; joints that it lacks are passed over.

import { Box3, Group, Vector3 } from "three";
import URDFLoader from "urdf-loader";

const LEAST_OPACITY = 0.1;

export class Robot {
  // Resolves when the meshes are there, too, or have failed.
  static async load(address) {
    const loader = new URDFLoader();
    loader.parseVisual = true;
    loader.parseCollision = false;
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(await answer.text());
    const text = await answer.text();
    const loaded = new Promise((resolve) => (loader.manager.onLoad = resolve));
    const robot = new Robot(loader.parse(text));
    if (text.includes("<mesh")) await loaded;
    robot.stand();
    return robot;
  }

  constructor(model) {
    this.model = model;
    this.scene = new Group();
    this.scene.add(model);
    model.rotation.set(-Math.PI / 2, 0, -Math.PI / 2); // x forward, z up: z forward, y up
    this.weights = {};
    this.seen = new Box3();
  }

  stand() {
    this.scene.updateMatrixWorld(true);
    this.seen.setFromObject(this.scene);
    this.scene.traverse((node) => {
      if (!node.isMesh) return;
      node.castShadow = node.receiveShadow = true;
      [node.material].flat().forEach(makeSolid);
    });
  }

  // Show joint positions [rad, m] by name.
  pose(positions) {
    for (const [name, value] of Object.entries(positions)) this.model.joints[name]?.setJointValue(value);
  }

  // What the camera shows: all of it.
  frame() {
    const size = this.seen.getSize(new Vector3());
    const middle = this.seen.getCenter(new Vector3());
    middle.y = this.seen.max.y;
    const halfHeight = 0.56 * size.y;
    return { top: 0.06 * size.y, halfHeight, halfWidth: 0.56 * size.x, middle };
  }

  influence() {
    return null;
  }

  place(link) {
    return this.model.links[link]?.getWorldPosition(new Vector3()) ?? null;
  }
}

// Exporters disagree on what transparency 1 means; nobody describes an invisible robot.
function makeSolid(material) {
  if (material.opacity > LEAST_OPACITY) return;
  material.opacity = 1;
  material.transparent = false;
}
