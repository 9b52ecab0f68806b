// The room that the avatar stands in: camera, lights, background.

import {
  ACESFilmicToneMapping,
  CanvasTexture,
  Color,
  DirectionalLight,
  PMREMGenerator,
  PerspectiveCamera,
  SRGBColorSpace,
  Scene,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { RoomEnvironment } from "three/addons/environments/RoomEnvironment.js";

const MOST_PIXEL_RATIO = 2;
// How far around the anchor is seen [m], by view; its middle is `lift` above the bone.
const VIEWS = {
  bust: { bone: "head", lift: -0.13, halfHeight: 0.34, halfWidth: 0.36 },
  face: { bone: "head", lift: 0.05, halfHeight: 0.17, halfWidth: 0.14 },
  body: { bone: "head", lift: -0.22, halfHeight: 0.46, halfWidth: 0.62 },
};

export class Stage {
  constructor(canvas) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    this.renderer.toneMapping = ACESFilmicToneMapping;
    this.renderer.toneMappingExposure = 1.0;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, MOST_PIXEL_RATIO));
    this.camera = new PerspectiveCamera(24, 1, 0.05, 20);
    this.scene = new Scene();
    this.scene.background = makeBackground();
    const generator = new PMREMGenerator(this.renderer);
    this.scene.environment = generator.fromScene(new RoomEnvironment(), 0.04).texture;
    this.scene.environmentIntensity = 0.45;
    this.light("#fff1e0", 2.2, [1.2, 2.4, 2.2]); // key
    this.light("#cfe0ff", 0.7, [-2.2, 1.4, 1.6]); // fill
    this.light("#ffffff", 0.7, [-0.8, 2.2, -2.2]); // rim
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enablePan = false;
    this.controls.minDistance = 0.4;
    this.controls.maxDistance = 5;
    this.figure = null;
    this.view = "bust";
    new ResizeObserver(() => this.fit()).observe(canvas.parentElement);
  }

  light(color, intensity, place) {
    const light = new DirectionalLight(new Color(color), intensity);
    light.position.set(...place);
    light.target.position.set(0, 1.4, 0);
    this.scene.add(light, light.target);
  }

  show(figure) {
    this.figure = figure;
    this.scene.add(figure.scene);
    this.fit();
  }

  look(view) {
    this.view = view;
    this.fit();
  }

  // Fill the canvas' place and frame the view's part of the body.
  fit() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement.parentElement;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (!this.figure) return;
    const { bone, lift, halfHeight, halfWidth } = VIEWS[this.view];
    this.figure.scene.updateMatrixWorld(true);
    const target = this.figure.place(bone) ?? new Vector3(0, 1.5, 0);
    target.set(0, target.y + lift, target.z + 0.03);
    const tangent = Math.tan((this.camera.fov * Math.PI) / 360);
    const distance = Math.max(halfHeight, halfWidth / this.camera.aspect) / tangent;
    this.camera.position.set(0.04 * distance, target.y + 0.02 * distance, target.z + distance);
    this.controls.target.copy(target);
    this.controls.update();
  }

  draw() {
    this.renderer.render(this.scene, this.camera);
  }
}

function makeBackground() {
  const canvas = document.createElement("canvas");
  canvas.width = 256;
  canvas.height = 256;
  const context = canvas.getContext("2d");
  const gradient = context.createRadialGradient(128, 104, 10, 128, 128, 200);
  gradient.addColorStop(0, "#8a96a4");
  gradient.addColorStop(0.55, "#56606e");
  gradient.addColorStop(1, "#2a303a");
  context.fillStyle = gradient;
  context.fillRect(0, 0, 256, 256);
  const texture = new CanvasTexture(canvas);
  texture.colorSpace = SRGBColorSpace;
  return texture;
}
