// The viewer page: what the server sends, shown and heard on one timeline.

import { Connection } from "./connection.js";
import { Figure } from "./figure.js";
import { Film } from "./film.js";
import { Panel } from "./panel.js";
import { Sound } from "./sound.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";

const now = () => performance.now() / 1000;
const byName = (names, values) => Object.fromEntries(names.map((name, i) => [name, values[i]]));

const stage = new Stage(document.querySelector("#stage"));
const panel = new Panel(document.querySelector("#panel"));
const timeline = new Timeline();
const sound = new Sound();

// What tests and the curious may read: `window.avatar`.
const handle = { ready: false, drawn: 0, state: "", status: {}, stage, timeline, sound, held: null };
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
      sound.clear();
    }
  },
  onMotion: (frame) => timeline.push(frame, now()),
  onAudio: (chunk) => sound.push(chunk),
  onStatus(values) {
    handle.status = values;
    panel.setStatus(values);
  },
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
  if (handle.held) {
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
  panel.draw();
  handle.drawn += 1;
}

function connectControls() {
  const soundButton = document.querySelector("#sound");
  soundButton.addEventListener("click", async () => {
    if (sound.unlocked) sound.muted = !sound.muted;
    else await sound.unlock();
    if (sound.muted) sound.hush();
    soundButton.textContent = sound.muted ? "Sound on" : "Sound off";
    soundButton.dataset.waiting = "false";
  });
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => stage.look(button.dataset.view));
  }
}

connectControls();
try {
  const figure = await Figure.load("avatar.glb");
  stage.show(figure);
  handle.figure = figure;
  handle.film = new Film(stage, figure, () => handle.connection.rest);
  handle.ready = true;
  document.querySelector("#notice").hidden = true;
  stage.renderer.setAnimationLoop(() => draw(figure));
} catch (error) {
  document.querySelector("#notice").textContent =
    `The avatar could not be loaded (${error.message}); build or reinstall the package.`;
  throw error;
}
