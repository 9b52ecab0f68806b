// Joint positions and eye weights as rotations of our links.
//
// Our bones rest unrotated in a T, so a local rotation is a joint's rotation with the axes named
// anew: ROS x forward, y left, z up become z, x, y.

import { Euler, Quaternion, Vector3 } from "three";

const LINK_OF_ROBOT_JOINT = { shoulder: "upper_arm", elbow: "forearm", wrist: "hand" };
const FINGER = /^([lr])_(thumb|index|middle|ring|pinky)_[123]$/;
const BALL = /^(.*)_(yaw|pitch|roll)$/;
const AXIS_OF = { yaw: "y", pitch: "x", roll: "z" };
const EYE_YAW_RAD = 0.6; // turn of an eye at weight 1
const EYE_PITCH_RAD = 0.45;

// Return the local rotation of each link that positions [rad] and weights name; a neck, where
// there is one, takes half of the head's turn.
export function jointTurns(positions, weights, neck) {
  const eulers = new Map();
  const turns = new Map();
  for (const [name, value] of Object.entries(positions)) {
    const ball = BALL.exec(name);
    if (FINGER.test(name)) turns.set(name, bend(name, value));
    else if (ball) {
      const link = linkOf(ball[1]);
      if (!eulers.has(link)) eulers.set(link, new Euler(0, 0, 0, "YXZ"));
      eulers.get(link)[AXIS_OF[ball[2]]] = value;
    }
  }
  for (const [link, euler] of eulers) turns.set(link, new Quaternion().setFromEuler(euler));
  if (neck && turns.has("head")) {
    const half = new Quaternion().slerp(turns.get("head"), 0.5);
    turns.set("neck", half).set("head", half);
  }
  turns.set("l_eye", gaze(weights, "Left", 1)).set("r_eye", gaze(weights, "Right", -1));
  return turns;
}

function bend(name, angle) {
  const side = name.startsWith("l") ? 1 : -1;
  const axis = name.includes("thumb") ? new Vector3(0, side, 0) : new Vector3(0, 0, -side);
  return new Quaternion().setFromAxisAngle(axis, angle);
}

// An eye's turn by its eyeLook weights; outwards is the person's left for the left eye.
function gaze(weights, side, outwards) {
  const weight = (direction) => weights[`eyeLook${direction}${side}`] ?? 0;
  const yaw = outwards * EYE_YAW_RAD * (weight("Out") - weight("In"));
  const pitch = EYE_PITCH_RAD * (weight("Down") - weight("Up"));
  return new Quaternion().setFromEuler(new Euler(pitch, yaw, 0, "YXZ"));
}

// `l_shoulder` moves the link `l_upper_arm`, `head` the link `head`.
function linkOf(joint) {
  const [side, part] = joint.split("_");
  return part ? `${side}_${LINK_OF_ROBOT_JOINT[part] ?? part}` : joint;
}
