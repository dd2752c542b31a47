// Hosts one widget module in the lab. A module is written as for anywidget, `export default { render({ model, el }) }`,
// so that the same file also works in notebooks. Values travel by method calls, not by props, because a changed
// prop would make the page compare all of its elements.
export default {
  template: "<div></div>",
  props: { src: String, values: Object },
  mounted() {
    this.model = new Model(this.values, (...args) => this.$emit(...args));
    // A moment later: the page's own prefix is known only once all of it is mounted.
    this.ready = Promise.resolve()
      .then(() => import((window.path_prefix ?? "") + this.src))
      .then((module) => {
        if (!this.gone) this.cleanUp = module.default.render({ model: this.model, el: this.$el });
      });
  },
  unmounted() {
    this.gone = true;
    clearTimeout(this.model.timer);
    this.cleanUp?.();
  },
  methods: {
    setValues(values, heard) {
      this.ready.then(() => this.model.receive(values, heard));
    },
    setHeard(heard) {
      this.ready.then(() => this.model.receive({}, heard));
    },
    message(content) {
      this.ready.then(() => this.model.fire("msg:custom", content));
    },
  },
};

const PATIENCE = 3000; // ms that the lab's values wait for its answer to what was sent last

// What the lab says while messages are on their way to it is older than what the page shows: two steps taken
// quickly would be undone and done again. So it waits until the lab has heard the last message.
class Model {
  constructor(values, emit) {
    this.sent = 0;
    this.waiting = {};
    this.values = { ...values };
    this.emit = emit;
    this.callbacks = new Map();
    this.changed = {};
  }
  get(name) {
    return this.values[name];
  }
  set(name, value) {
    this.values[name] = value;
    this.changed[name] = value;
  }
  save_changes() {
    this.emit("values", this.changed);
    this.changed = {};
  }
  send(content) {
    this.sent += 1;
    this.emit("message", { number: this.sent, content });
  }
  on(event, callback) {
    if (!this.callbacks.has(event)) this.callbacks.set(event, new Set());
    this.callbacks.get(event).add(callback);
  }
  off(event, callback) {
    this.callbacks.get(event)?.delete(callback);
  }
  fire(event, ...args) {
    for (const callback of this.callbacks.get(event) ?? []) callback(...args);
  }
  receive(values, heard) {
    Object.assign(this.waiting, values);
    clearTimeout(this.timer);
    if (heard >= this.sent) this.deliver();
    else this.timer = setTimeout(() => this.deliver(), PATIENCE); // a message got lost on its way
  }
  deliver() {
    const values = this.waiting;
    this.waiting = {};
    Object.assign(this.values, values);
    for (const name of Object.keys(values)) this.fire("change:" + name, values[name]);
  }
}
