// The one wire between this page and Reflex: messages come in through a ref, events go out through props.
// A ref's setter is an event payload that Reflex hands over in order, without a state var and without eval.
import { refs } from "$/utils/state";

const listeners = new Set();
let outgoing = {};

refs["ref_studio"] = {
  current: {
    set value(message) {
      for (const listener of listeners) listener(message);
    },
  },
};

export const listen = (listener) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const connect = (events) => {
  outgoing = events;
};

export const send = (name, payload) => outgoing[name]?.(payload);
