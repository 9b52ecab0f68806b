// The viewer page: what the server sends, shown and heard on one timeline.

import { Connection } from "./connection.js";
import { Figure } from "./figure.js";
import { Film } from "./film.js";
import { readOptions } from "./options.js";
import { Panel } from "./panel.js";
import { Robot } from "./robot.js";
import { Sound } from "./sound.js";
import { Stage } from "./stage.js";
import { Subtitles } from "./subtitles.js";
import { Timeline } from "./timeline.js";

const now = () => performance.now() / 1000;
const byName = (names, values) => Object.fromEntries(names.map((name, i) => [name, values[i]]));

const options = readOptions(location.search);
const coming = options.show === "robot" ? null : fetchFigure(); // while the stage is set
const stage = new Stage(document.querySelector("#stage"), {
  quality: options.quality,
  view: options.frame,
  background: options.background,
});
const panel = new Panel(document.querySelector("#panel"));
const subtitles = new Subtitles(document.querySelector("#subtitles"), options.subtitles);
const timeline = new Timeline();
const robotTimeline = new Timeline();
const sound = new Sound();

// What tests and the curious may read: `window.avatar`.
const handle = { ready: false, drawn: 0, state: "", status: {}, stage, timeline, sound, options, held: null };
window.avatar = handle;

// Show this pose until `hold(null)`: joint positions [rad] and face weights by name.
handle.hold = (positions, weights) => {
  handle.held = positions ? { positions: { ...handle.connection.rest, ...positions }, weights: weights ?? {} } : null;
};

handle.connection = new Connection(`${location.origin.replace("http", "ws")}/socket`, {
  onState(state) {
    handle.state = state;
    panel.setState(state);
    if (state === "connected") {
      timeline.clear();
      robotTimeline.clear();
      sound.clear();
    }
  },
  onMotion: (frame) => timeline.push(frame, now()),
  onRobot: (frame) => robotTimeline.push(frame, now()),
  onAudio: (chunk) => sound.push(chunk),
  onHush: (number) => sound.hush(number),
  onStatus(values) {
    handle.status = values;
    panel.setStatus(values);
  },
  onSubtitle: (text) => subtitles.show(text),
});

let before = null; // the hands at the frame before, for their speed

function measure(figure, time, weights) {
  const w = (name) => weights[name] ?? 0;
  const hands = [figure.place("l_hand"), figure.place("r_hand")];
  let speed = 0;
  if (before && time > before.time && hands.every(Boolean)) {
    const moved = hands.map((hand, side) => hand.distanceTo(before.hands[side]));
    speed = Math.max(...moved) / (time - before.time);
  }
  if (!before || time !== before.time) before = { time, hands };
  const raised = w("browInnerUp") + 0.5 * (w("browOuterUpLeft") + w("browOuterUpRight"));
  const lowered = 0.5 * (w("browDownLeft") + w("browDownRight"));
  panel.addSample(time, {
    mouth: Math.max(w("jawOpen") - w("mouthClose"), 0),
    brows: raised - lowered,
    hands: speed,
  });
}

function draw(figure) {
  const wall = now();
  const time = timeline.timeAt(wall);
  const frame = time === null ? null : timeline.at(time);
  sound.schedule(timeline, wall);
  figure.scene.visible = Boolean(handle.held || frame || handle.connection.greeted);
  if (figure instanceof Robot) {
    const robotTime = time ?? robotTimeline.timeAt(wall);
    const moved = robotTime === null ? null : robotTimeline.at(robotTime);
    if (moved) figure.pose(byName(moved.jointNames, moved.positions));
  } else if (handle.held) {
    figure.pose(handle.held.positions, handle.held.weights);
  } else if (frame) {
    const weights = byName(frame.faceNames, frame.weights);
    figure.pose(byName(frame.jointNames, frame.positions), weights);
    figure.scene.updateMatrixWorld();
    measure(figure, Math.min(time, timeline.frames.at(-1).stamp), weights);
  } else {
    figure.pose(handle.connection.rest, {});
  }
  handle.time = time;
  stage.draw();
  stage.keepUp(wall);
  if (options.dev) {
    panel.setTiming({ wall, timeline, sound, stage, frame, cpu: now() - wall });
    panel.draw();
  }
  handle.drawn += 1;
  handle.cpu = now() - wall;
}

// Browsers play sound only after a click or a key, unless they are told otherwise (as kiosks are).
function connectSound() {
  const button = document.querySelector("#sound");
  const show = () => {
    button.textContent = sound.unlocked && !sound.muted ? "Sound off" : "Sound on";
    button.hidden = !options.sound || (sound.unlocked && !options.dev);
  };
  const unlock = async () => {
    await sound.unlock();
    show();
  };
  button.addEventListener("click", async () => {
    if (sound.unlocked) sound.muted = !sound.muted;
    else await unlock();
    if (sound.muted) sound.stop();
    show();
  });
  if (options.sound) unlock();
  show();
}

function connectControls() {
  document.querySelector("#panel").hidden = !options.dev;
  document.body.style.setProperty("--behind", options.background === "transparent" ? "transparent" : "");
  connectSound();
  window.addEventListener("keydown", (event) => {
    if (event.key !== "f" || event.ctrlKey || event.metaKey) return;
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen();
  });
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => stage.look(button.dataset.view));
  }
}

// The map and the file of who is shown; what fails is told by `loadFigure`.
async function fetchFigure() {
  const query = options.look ? `?look=${encodeURIComponent(options.look)}` : "";
  const [answer, file] = await Promise.all([fetch("avatar.json"), fetch(`avatar.glb${query}`)]);
  if (!file.ok) throw new Error(`HTTP ${file.status}`);
  const map = answer.ok && !options.look ? (await answer.json()).map : null;
  return { map, file: await file.arrayBuffer() };
}

async function loadFigure() {
  if (options.show === "robot") return Robot.load("robot.urdf");
  const { map, file } = await coming;
  return Figure.read(file, map, stage.detailed);
}

const REMEDY = {
  robot: "start a robot with robot:=NAME, then load this page again",
  human: "check the address and the avatar's file",
};

connectControls();
try {
  const figure = await loadFigure();
  stage.show(figure);
  handle.figure = figure;
  handle.film = new Film(stage, figure, () => handle.connection.rest);
  handle.ready = true;
  document.querySelector("#notice").hidden = true;
  stage.renderer.setAnimationLoop(() => draw(figure));
} catch (error) {
  document.querySelector("#notice").textContent =
    `The ${options.show} could not be loaded (${error.message}); ${REMEDY[options.show]}.`;
  throw error;
}
