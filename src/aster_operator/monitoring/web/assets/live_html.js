// HTML that is brought to what it should be node by node: what has not changed stays the same element, so an
// open detail stays open, focus, scroll and selection stay where they are, and only what is new is laid out.
// Rows are told apart by data-key; everything else by its place. A row that is gone lends its element to one
// that is new: other words in the same cells cost the browser a third of other cells.

const KEPT = { DETAILS: "open", TIME: "title" }; // what the viewer or the page's script did to an element
const moved = new WeakSet(); // what the viewer has scrolled: asking an element where it is would lay the page out

const attributes = (shown, fresh, kept) => {
  for (const { name, value } of fresh.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  if (shown.attributes.length === fresh.attributes.length) return;
  for (const { name } of [...shown.attributes]) {
    if (!fresh.hasAttribute(name) && !(kept && KEPT[shown.nodeName] === name)) shown.removeAttribute(name);
  }
};

const keyOf = (node) => (node.dataset ? node.dataset.key : undefined);

const children = (shown, fresh, kept) => {
  const keyed = new Map([...shown.children].filter((node) => keyOf(node) !== undefined).map((node) => [keyOf(node), node]));
  const wanted = new Set([...fresh.children].map(keyOf));
  const gone = [...keyed].filter(([key]) => !wanted.has(key)).map(([, node]) => node);
  const lent = new Set(gone.filter((node) => !node.contains(document.activeElement)));
  const isGone = (node) => node && keyOf(node) !== undefined && !wanted.has(keyOf(node));
  let rowsKept = 0;
  let place = shown.firstChild;
  const drop = () => { const node = place; place = place.nextSibling; node.remove(); };
  const bring = (node, next, same) => {
    lent.delete(node);
    if (node === place) place = place.nextSibling;
    else shown.insertBefore(node, place);
    morph(node, next, same);
  };
  for (const next of [...fresh.childNodes]) {
    const key = keyOf(next);
    const isNew = key !== undefined && !keyed.has(key);
    while (isGone(place) && !(isNew && lent.has(place))) drop();
    if (key === undefined && place && keyOf(place) === undefined && place.nodeName === next.nodeName) bring(place, next, kept);
    else if (keyed.has(key)) {
      rowsKept += 1;
      bring(keyed.get(key), next, kept);
    } else if (isNew && lent.size) bring(isGone(place) ? place : lent.values().next().value, next, false);
    else shown.insertBefore(next, place);
  }
  while (place) drop();
  // Mostly other rows are another page of the table: read from its top.
  const scroller = 2 * rowsKept < keyed.size ? shown.closest(".scroll") : null;
  if (moved.delete(scroller)) scroller.scrollTo(0, 0);
};

// `kept`: whether it is still the same thing to the viewer, so that what he did to it stays.
const morph = (shown, fresh, kept) => {
  if (shown.isEqualNode(fresh)) return;
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    shown.nodeValue = fresh.nodeValue;
    return;
  }
  attributes(shown, fresh, kept);
  children(shown, fresh, kept);
};

export default {
  template: `<div></div>`,
  props: { innerHTML: String },
  data() {
    return { drawn: null };
  },
  mounted() {
    this.$el.addEventListener("scroll", (event) => moved.add(event.target), { capture: true, passive: true });
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
      children(this.$el, fresh.content, true);
      this.drawn = this.innerHTML;
    },
  },
};
