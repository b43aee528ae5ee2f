// HTML that is brought to what it should be node by node: what has not changed stays the same element, so an
// open detail stays open, focus, scroll and selection stay where they are, and only what is new is laid out.
// Rows are told apart by data-key; everything else by its place.

const KEPT = { DETAILS: "open", TIME: "title" }; // what the viewer or the page's script did to an element

const attributes = (shown, fresh) => {
  for (const { name, value } of fresh.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  for (const { name } of [...shown.attributes]) {
    if (!fresh.hasAttribute(name) && KEPT[shown.nodeName] !== name) shown.removeAttribute(name);
  }
};

const keyOf = (node) => (node.dataset ? node.dataset.key : undefined);

const children = (shown, fresh) => {
  const wanted = new Set([...fresh.children].map(keyOf));
  const keyed = new Map([...shown.children].filter((node) => keyOf(node) !== undefined).map((node) => [keyOf(node), node]));
  const rowsBefore = keyed.size;
  let place = shown.firstChild;
  const drop = () => { const gone = place; place = place.nextSibling; gone.remove(); };
  for (const next of [...fresh.childNodes]) {
    while (place && keyOf(place) !== undefined && !wanted.has(keyOf(place))) drop();
    const key = keyOf(next);
    const isHere = place && keyOf(place) === undefined && place.nodeName === next.nodeName;
    const known = key === undefined ? (isHere ? place : null) : keyed.get(key);
    if (!known) {
      shown.insertBefore(next, place);
      continue;
    }
    keyed.delete(key);
    if (known === place) place = place.nextSibling;
    else shown.insertBefore(known, place);
    morph(known, next);
  }
  while (place) drop();
  // Mostly other rows are another page of the table: read from its top. (What stays is no longer in `keyed`.)
  if (2 * (rowsBefore - keyed.size) < rowsBefore) shown.closest(".scroll")?.scrollTo(0, 0);
};

const morph = (shown, fresh) => {
  if (shown.isEqualNode(fresh)) return;
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    shown.nodeValue = fresh.nodeValue;
    return;
  }
  attributes(shown, fresh);
  children(shown, fresh);
};

export default {
  template: `<div></div>`,
  props: { innerHTML: String },
  data() {
    return { drawn: null };
  },
  mounted() {
    this.draw();
  },
  updated() {
    this.draw();
  },
  methods: {
    draw() {
      if (this.innerHTML === this.drawn) return;
      const fresh = document.createElement("template");
      fresh.innerHTML = this.innerHTML;
      window.asterTimes?.(fresh.content);
      children(this.$el, fresh.content);
      this.drawn = this.innerHTML;
    },
  },
};
