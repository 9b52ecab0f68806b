// The small panel beside the avatar: connection, live curves, steps and latency.

const CURVE_S = 6;
const WRITTEN_EVERY_S = 1;

export class Panel {
  constructor(root) {
    this.root = root;
    this.next = this.frames = this.cpu = 0;
    this.curves = [...root.querySelectorAll("canvas[data-curve]")].map((canvas) => new Curve(canvas));
  }

  setState(state) {
    this.root.dataset.state = state;
    this.write("state", state);
  }

  write(name, text) {
    const element = this.root.querySelector(`[data-value="${name}"]`);
    if (element && element.textContent !== text) element.textContent = text;
  }

  // `values` are those of the avatar's diagnostics: texts and numbers by name.
  setStatus(values) {
    const number = (name, digits, unit) => {
      const value = Number.parseFloat(values[name]);
      return Number.isFinite(value) ? `${value.toFixed(digits)}${unit}` : "–";
    };
    this.write("engine", values.state ?? values.lifecycle ?? "–");
    this.write("steps", `${values.expression_steps ?? "–"} / ${values.gesture_steps ?? "–"}`);
    this.write("window", number("window_ms_p50", 0, " ms"));
    const delay = Number.parseFloat(values.output_delay_s);
    this.write("delay", Number.isFinite(delay) ? `${Math.round(1000 * delay)} ms` : "–");
    this.write("speed", number("real_time_factor", 2, ""));
  }

  // What the page measures itself, written once in a while.
  setTiming({ wall, timeline, sound, stage, cpu }) {
    this.frames += 1;
    this.cpu += cpu;
    if (wall < this.next) return;
    const since = wall - this.next + WRITTEN_EVERY_S;
    const milliseconds = (seconds) => (seconds === null ? "–" : `${Math.round(1000 * seconds)} ms`);
    const { calls, triangles } = stage.renderer.info.render;
    this.write("frames", `${(this.frames / since).toFixed(0)}/s, ${((1000 * this.cpu) / this.frames).toFixed(1)} ms`);
    this.write("load", `${Math.round(triangles / 1000)}k, ${calls}`);
    this.write("page", milliseconds(timeline.spare));
    this.write("offset", milliseconds(sound.offset(timeline, wall)));
    this.next = wall + WRITTEN_EVERY_S;
    this.frames = this.cpu = 0;
  }

  addSample(time, values) {
    for (const curve of this.curves) curve.add(time, values[curve.name] ?? 0);
  }

  draw() {
    for (const curve of this.curves) curve.draw();
  }
}

class Curve {
  constructor(canvas) {
    this.canvas = canvas;
    this.name = canvas.dataset.curve;
    this.low = Number(canvas.dataset.low ?? 0);
    this.high = Number(canvas.dataset.high ?? 1);
    this.points = [];
  }

  add(time, value) {
    if (this.points.length && time < this.points.at(-1)[0]) this.points = [];
    this.points.push([time, value]);
    while (this.points[0][0] < time - CURVE_S) this.points.shift();
  }

  draw() {
    const { canvas } = this;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (this.points.length < 2) return;
    const end = this.points.at(-1)[0];
    context.beginPath();
    for (const [time, value] of this.points) {
      const share = (value - this.low) / (this.high - this.low);
      const x = canvas.width * (1 + (time - end) / CURVE_S);
      const y = canvas.height - 2 - (canvas.height - 4) * Math.min(Math.max(share, 0), 1);
      context.lineTo(x, y);
    }
    context.strokeStyle = getComputedStyle(canvas).color;
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.stroke();
  }
}
