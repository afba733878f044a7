// Tooltips; the page says everything without them.
(() => {
  "use strict";
  const tip = document.getElementById("tip");
  const show = (text, event) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const right = document.documentElement.clientWidth;
    let x = event.pageX + 14;
    if (x + box.width > right - 6) x = event.pageX - box.width - 14;
    tip.style.left = Math.max(6, x) + "px";
    tip.style.top = event.pageY - box.height - 12 + "px";
  };
  const hide = () => { tip.hidden = true; };

  // The browser's own tooltip would cover ours.
  for (const svg of document.querySelectorAll(".chart svg")) {
    const title = svg.querySelector(":scope > title");
    svg.setAttribute("aria-label", title.textContent);
    title.remove();
  }

  for (const bar of document.querySelectorAll(".bar")) {
    const title = bar.querySelector("title");
    const text = title.textContent;
    title.remove();
    bar.addEventListener("pointermove", event => show(text, event));
    bar.addEventListener("pointerleave", hide);
  }

  const make = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    return element;
  };

  for (const svg of document.querySelectorAll(".lines svg")) {
    const lines = [...svg.querySelectorAll("path.line")].map(path => {
      const rounds = path.dataset.rounds.trim().split(" ").map(Number);
      const values = path.dataset.values.trim().split(" ");
      const pixels = [...path.getAttribute("d").matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)];
      const points = pixels.map((pixel, i) => ({ x: +pixel[1], y: +pixel[2], round: rounds[i], value: values[i] }));
      return { name: path.dataset.name, style: path.parentNode.getAttribute("class"), points };
    });
    const cursor = svg.querySelector(".cursor");
    const nearest = (points, x) =>
      points.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best));
    svg.addEventListener("pointermove", event => {
      const box = svg.getBoundingClientRect();
      const view = svg.viewBox.baseVal;
      const x = ((event.clientX - box.left) / box.width) * view.width;
      const hits = lines.filter(line => line.points.length).map(line => ({ line, point: nearest(line.points, x) }));
      if (!hits.length) return;
      const at = hits.reduce((best, hit) => (Math.abs(hit.point.x - x) < Math.abs(best.point.x - x) ? hit : best)).point;
      const here = hits.filter(hit => hit.point.round === at.round);
      cursor.replaceChildren(make("path", { d: `M${at.x} 14V${view.height - 34}` }));
      for (const { line, point } of here)
        cursor.append(make("circle", { cx: point.x, cy: point.y, r: 5, class: line.style }));
      show(`round ${at.round}\n` + here.map(({ line, point }) => `${line.name}  ${point.value}`).join("\n"), event);
    });
    svg.addEventListener("pointerleave", () => {
      cursor.replaceChildren();
      hide();
    });
  }
})();
