// The studio that the avatar stands in: camera, three soft lights and their reflections.

import {
  ACESFilmicToneMapping,
  AmbientLight,
  BackSide,
  BoxGeometry,
  CanvasTexture,
  Color,
  DirectionalLight,
  HemisphereLight,
  Mesh,
  MeshBasicMaterial,
  PMREMGenerator,
  PerspectiveCamera,
  PlaneGeometry,
  SRGBColorSpace,
  Scene,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

import { Detail } from "./detail.js";

// What is seen [m]: from `top` above the head's bone downwards, twice the half height, or as much
// more as the half width asks for.
const VIEWS = {
  bust: { top: 0.22, halfHeight: 0.31, halfWidth: 0.27 },
  face: { top: 0.205, halfHeight: 0.175, halfWidth: 0.14 },
  body: { top: 0.25, halfHeight: 0.46, halfWidth: 0.56 },
};
const SHADOW_PIXELS = 2048;
const BACKGROUNDS = {
  studio: ["#aeb4b8", "#7d858c", "#4a5057"],
  dark: ["#3a3f47", "#23272d", "#121418"],
  light: ["#fbfaf8", "#eceae6", "#d3d0ca"],
};

export class Stage {
  // `quality` is high, low, or auto: high, which gives way on slow machines, or low from the start
  // where the processor draws.
  constructor(canvas, { quality = "auto", view = "bust", background = "studio" } = {}) {
    if (quality === "auto" && drawsInSoftware()) quality = "low";
    this.detailed = quality !== "low";
    this.renderer = new WebGLRenderer({
      canvas,
      antialias: this.detailed,
      alpha: true,
      preserveDrawingBuffer: true,
    });
    this.renderer.toneMapping = ACESFilmicToneMapping;
    this.renderer.toneMappingExposure = 1.05;
    this.camera = new PerspectiveCamera(20, 1, 0.05, 20);
    this.scene = new Scene();
    this.scene.background = makeBackground(background);
    this.scene.add(new AmbientLight("#ffe9dd", 0.12));
    this.surround();
    this.key = this.light("#fff0e2", 2.3, [1.5, 2.75, 2.3]);
    this.light("#d5e2ff", 0.5, [-2.4, 1.5, 1.6]); // fill
    this.light("#fff6ea", 1.6, [-1.3, 2.4, -2.0]); // rim
    this.light("#ffe2cc", 0.9, [1.9, 1.9, -1.8]); // the other rim
    this.castShadows(this.key);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enablePan = false;
    this.controls.minDistance = 0.4;
    this.controls.maxDistance = 6;
    this.figure = null;
    this.view = VIEWS[view] ? view : "bust";
    this.detail = new Detail(window.devicePixelRatio, !this.detailed);
    if (quality === "high") this.detail.settle();
    this.simplify();
    document.addEventListener("visibilitychange", () => this.detail.forget());
    new ResizeObserver(() => this.fit()).observe(canvas.parentElement);
  }

  // What surrounds the avatar lights it, too. A processor takes seconds to prepare reflections.
  surround() {
    if (this.detailed) {
      this.scene.environment = makeReflections(this.renderer);
      this.scene.environmentIntensity = 0.62;
    } else {
      this.scene.add(new HemisphereLight("#e3e8ee", "#6b5a4c", 0.9));
    }
  }

  light(color, intensity, place) {
    const light = new DirectionalLight(new Color(color), intensity);
    light.position.set(...place);
    light.target.position.set(0, 1.35, 0);
    this.scene.add(light, light.target);
    return light;
  }

  castShadows(light) {
    const { shadow } = light;
    Object.assign(shadow.camera, { left: -0.6, right: 0.6, top: 0.5, bottom: -0.75, near: 1, far: 6 });
    shadow.mapSize.set(SHADOW_PIXELS, SHADOW_PIXELS);
    shadow.radius = 5;
    shadow.bias = -0.0004;
    shadow.normalBias = 0.006;
    shadow.intensity = 0.8;
    light.castShadow = true;
  }

  // Draw with as many pixels as the detail has, and with its shadows.
  simplify() {
    const { pixels, shadows } = this.detail.now;
    this.renderer.setPixelRatio(pixels);
    this.renderer.shadowMap.enabled = shadows;
    this.key.castShadow = shadows;
    this.fit();
  }

  // From now on every picture is drawn the same way, as well as can be.
  settle() {
    this.detail.settle();
    this.simplify();
  }

  // Told when a picture is drawn [s]; slow machines get a simpler one.
  keepUp(time) {
    if (this.detail.watch(time)) this.simplify();
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

  // Fill the canvas' place and frame the view's part of the body, head room above.
  fit() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement.parentElement;
    if (!width || !height || !this.camera) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (!this.figure) return;
    const frame = this.figure.frame?.() ?? null;
    const { top, halfHeight, halfWidth } = frame ?? VIEWS[this.view];
    const half = Math.max(halfHeight, halfWidth / this.camera.aspect);
    this.figure.scene.updateMatrixWorld(true);
    const target = frame?.middle ?? this.figure.place("head") ?? new Vector3(0, 1.45, 0);
    target.y += top + 0.12 * (half - halfHeight) - half;
    if (!frame) target.set(0, target.y, target.z - 0.02);
    const distance = half / Math.tan((this.camera.fov * Math.PI) / 360);
    this.camera.position.set(target.x + 0.05 * distance, target.y + 0.03 * distance, target.z + distance);
    this.controls.target.copy(target);
    this.controls.update();
    this.aim(target);
  }

  // The key light follows the figure's height, or shadows would miss a small or a tall one.
  aim(target) {
    const middle = this.figure.place("head") ?? target;
    this.key.target.position.set(0, middle.y - 0.1, 0);
    this.key.position.set(1.5, middle.y + 1.3, 2.3);
  }

  draw() {
    this.renderer.render(this.scene, this.camera);
  }
}

// Whether the browser draws without a graphics card, as far as it tells.
function drawsInSoftware() {
  const context = document.createElement("canvas").getContext("webgl2");
  const extension = context?.getExtension("WEBGL_debug_renderer_info");
  const name = extension ? context.getParameter(extension.UNMASKED_RENDERER_WEBGL) : "";
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

// Softboxes in a dim room: what skin and eyes reflect.
function makeReflections(renderer) {
  const room = new Scene();
  const shell = new Mesh(new BoxGeometry(10, 6, 10), new MeshBasicMaterial({ color: "#3b4048", side: BackSide }));
  room.add(shell);
  const box = (color, strength, size, place) => {
    const material = new MeshBasicMaterial({ color: new Color(color).multiplyScalar(strength), side: 2 });
    const panel = new Mesh(new PlaneGeometry(...size), material);
    panel.position.set(...place);
    panel.lookAt(0, 0, 0);
    room.add(panel);
  };
  box("#fff1e2", 9, [2.2, 2.2], [2.6, 2.0, 3.2]); // key
  box("#cfdcf5", 2.2, [2.4, 3.0], [-4.0, 0.8, 2.0]); // fill
  box("#ffffff", 5, [1.0, 3.2], [-3.2, 1.4, -3.4]); // rims
  box("#ffe8d4", 4, [1.0, 3.2], [3.6, 1.2, -3.0]);
  box("#dfe6f0", 1.6, [7, 7], [0, 2.9, 0]); // ceiling
  box("#6b5a4c", 1.0, [8, 8], [0, -2.9, 0]); // floor
  const generator = new PMREMGenerator(renderer);
  const texture = generator.fromScene(room, 0.03).texture;
  generator.dispose();
  return texture;
}

// A name of BACKGROUNDS, a colour such as #00ff00, or transparent.
function makeBackground(name) {
  if (name === "transparent") return null;
  if (name.startsWith("#")) return new Color(name);
  const size = 512;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  const gradient = context.createRadialGradient(0.5 * size, 0.42 * size, 0, 0.5 * size, 0.5 * size, 0.78 * size);
  BACKGROUNDS[name].forEach((color, k) => gradient.addColorStop([0, 0.5, 1][k], color));
  context.fillStyle = gradient;
  context.fillRect(0, 0, size, size);
  const texture = new CanvasTexture(canvas);
  texture.colorSpace = SRGBColorSpace;
  return texture;
}
