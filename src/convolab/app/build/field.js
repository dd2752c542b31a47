// One setting: a label and an input of its kind. What is being typed is never overwritten: a new value comes from
// the server only with a new `version`.
export default {
  template: `
    <div :class="['field', kind === 'bool' && 'check', inline && 'inline', error && 'bad']" :data-tip="tip" :data-field="name">
      <label v-if="kind !== 'bool'" class="name" :for="uid"><span>{{ label }}</span><i v-if="second">{{ second }}</i></label>
      <input v-if="kind === 'bool'" type="checkbox" role="switch" :id="uid" v-model="text" @change="send(0)" />
      <label v-if="kind === 'bool'" class="name" :for="uid">{{ label }}</label>
      <select v-else-if="kind === 'choice'" :id="uid" v-model="text" @change="send(0)" :aria-invalid="!!error">
        <option v-for="option in options" :value="option[0]" :disabled="option[2]">{{ option[1] }}</option>
      </select>
      <input v-else type="text" :id="uid" v-model="text" :inputmode="kind === 'text' ? 'text' : 'decimal'"
        :placeholder="placeholder" :aria-invalid="!!error" :aria-describedby="error ? uid + 'e' : null"
        autocomplete="off" autocapitalize="off" spellcheck="false"
        @input="send(delay)" @change="send(0)" @keydown="key" @focus="$event.target.select()" />
      <span v-if="unit" class="unit" aria-hidden="true">{{ unit }}</span>
      <span v-if="error" :id="uid + 'e'" class="complaint" role="alert">{{ error }}</span>
    </div>`,
  props: {
    name: String, kind: String, label: String, second: String, tip: String, unit: String, value: null, version: Number,
    options: Array, error: String, placeholder: String, step: Number, minimum: Number, maximum: Number,
    inline: Boolean, delay: { type: Number, default: 150 },
  },
  data() {
    return { text: this.value, sent: this.value };
  },
  computed: {
    uid() {
      return `field-${this.$.uid}`;
    },
  },
  watch: {
    version() {
      clearTimeout(this.timer);
      this.text = this.sent = this.value;
    },
  },
  beforeUnmount() {
    clearTimeout(this.timer);
  },
  methods: {
    send(delay) {
      clearTimeout(this.timer);
      const go = () => {
        if (this.text === this.sent) return;
        this.sent = this.text;
        this.$emit("edit", this.text);
      };
      delay ? (this.timer = setTimeout(go, delay)) : go();
    },
    key(event) {
      const up = event.key === "ArrowUp";
      if (event.key === "Enter") return this.send(0);
      if (!(up || event.key === "ArrowDown") || event.altKey || !["int", "float"].includes(this.kind)) return;
      event.preventDefault();
      const now = Number(this.text === "" ? this.placeholder : this.text.replaceAll(",", ""));
      const step = (this.step || 1) * (event.shiftKey ? 10 : 1);
      if (!Number.isFinite(now)) return;
      let next = Number((now + (up ? step : -step)).toPrecision(12));
      if (this.minimum != null) next = Math.max(next, this.minimum);
      if (this.maximum != null) next = Math.min(next, this.maximum);
      this.text = String(next);
      this.send(this.delay);
    },
  },
};
