// Every text that is seen, as [what, ratio] where it stands out from what is behind it less than WCAG AA asks.
() => {
  const parse = (text) => {
    const canvas = window.__c ??= Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = ([r, g, b]) => {
    const f = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const backing = (el) => {
    const layers = [];
    for (let at = el; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const poor = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode, el = node.parentElement;
    if (!node.nodeValue.trim() || !el.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (el.closest('[disabled], .disabled, script, style')) continue;
    const style = getComputedStyle(el), back = backing(el);
    let opacity = 1;
    for (let at = el; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const ink = parse(style.color); ink[3] *= opacity;
    const [a, b] = [light(over(ink, back)), light(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    seen += 1;
    if (ratio < (isLarge ? 3 : 4.5)) poor[`${el.tagName}.${el.className} ${node.nodeValue.trim().slice(0, 30)}`] = ratio.toFixed(2);
  }
  for (const chart of document.querySelectorAll(".nicegui-echart")) {
    const drawn = chart.checkVisibility() && getElement(Number(chart.id.slice(1))).chart?.getOption();
    if (!drawn) continue;
    const back = light(backing(chart));
    const inks = [...(drawn.xAxis ?? []), ...(drawn.yAxis ?? [])].map((axis) => [axis.axisLabel.color, 4.5]);
    inks.push(...(drawn.legend ?? []).map((legend) => [legend.textStyle.color, 4.5]));
    inks.push(...drawn.series.filter((each) => each.color).map((each) => [each.color, 3]));
    for (const [colour, least] of inks) {
      const ink = light(parse(colour)), ratio = (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05);
      seen += 1;
      if (ratio < least) poor[`chart ${colour}`] = ratio.toFixed(2);
    }
  }
  return { seen, poor };
}
