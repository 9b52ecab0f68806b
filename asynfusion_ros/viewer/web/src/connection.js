// The websocket to the viewer server: frames in, parsed; connects again by itself.
// The wire format is described in docs/viewer.md.

const MOTION = 1;
const AUDIO = 2;
const ROBOT = 3;
const NONE = [];
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 4000;

export class Connection {
  // `listener` has onState(state), onMotion(frame), onAudio(chunk), onHush(sound), onStatus(values), onSubtitle(text), onRobot(frame).
  constructor(address, listener) {
    this.address = address;
    this.listener = listener;
    this.joints = [];
    this.face = [];
    this.robot = []; // joints of a robot
    this.rest = {}; // joint positions [rad] to stand in before any motion
    this.greeted = false;
    this.retryMs = FIRST_RETRY_MS;
    this.refused = 0; // frames that could not be read
    this.open();
  }

  open() {
    this.listener.onState("connecting");
    const socket = new WebSocket(this.address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.retryMs = FIRST_RETRY_MS;
      this.listener.onState("connected");
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => {
      this.listener.onState("disconnected");
      setTimeout(() => this.open(), this.retryMs);
      this.retryMs = Math.min(2 * this.retryMs, LONGEST_RETRY_MS);
    };
  }

  receive(data) {
    if (typeof data === "string") this.receiveText(JSON.parse(data));
    else this.receiveBinary(new DataView(data));
  }

  receiveText(message) {
    if (message.type === "hello") {
      this.joints = message.joints;
      this.face = message.face;
      this.rest = message.rest;
      this.greeted = true;
    } else if (message.type === "status") {
      this.listener.onStatus(message.values);
    } else if (message.type === "robot") {
      this.robot = message.joints;
    } else if (message.type === "subtitle") {
      this.listener.onSubtitle(message.text);
    } else if (message.type === "hush") {
      this.listener.onHush(message.sound);
    }
  }

  receiveBinary(view) {
    const kind = view.byteLength >= 16 ? view.getUint8(0) : 0;
    if (kind === MOTION) this.receiveMotion(view);
    else if (kind === AUDIO) this.receiveAudio(view);
    else if (kind === ROBOT) this.receiveRobot(view);
    else this.refused += 1;
  }

  receiveMotion(view) {
    const joints = view.getUint16(4, true);
    const weights = view.getUint16(6, true);
    const fits = view.byteLength === 16 + 4 * (joints + weights);
    if (!fits || joints !== this.joints.length || weights !== this.face.length) {
      this.refused += 1;
      return;
    }
    this.listener.onMotion({
      stamp: view.getFloat64(8, true),
      jointNames: this.joints,
      faceNames: this.face,
      positions: new Float32Array(view.buffer, 16, joints),
      weights: new Float32Array(view.buffer, 16 + 4 * joints, weights),
    });
  }

  receiveRobot(view) {
    const joints = view.getUint16(4, true);
    if (view.byteLength !== 16 + 4 * joints || joints !== this.robot.length) {
      this.refused += 1;
      return;
    }
    this.listener.onRobot({
      stamp: view.getFloat64(8, true),
      jointNames: this.robot,
      faceNames: NONE,
      positions: new Float32Array(view.buffer, 16, joints),
      weights: new Float32Array(0),
    });
  }

  receiveAudio(view) {
    this.listener.onAudio({
      sound: view.getUint16(2, true),
      rate: view.getUint32(4, true),
      stamp: view.getFloat64(8, true),
      samples: new Int16Array(view.buffer, 16),
    });
  }
}
