// Hints, highlighting and sorting; the page reads without them.
(() => {
  "use strict";
  const tip = document.getElementById("tip");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  const show = (element) => {
    tip.textContent = element.dataset.tip;
    tip.hidden = false;
    const mark = element.querySelector(".mark") || element;
    const at = mark.getBoundingClientRect();
    const left = at.left + at.width / 2 - tip.offsetWidth / 2;
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    const above = at.top - tip.offsetHeight - 10;
    tip.style.left = Math.max(8, Math.min(left, room)) + scrollX + "px";
    tip.style.top = (above > 8 ? above : at.bottom + 10) + scrollY + "px";
  };
  const light = (key) => {
    for (const one of all("[data-key]")) {
      one.classList.toggle("lit", one.dataset.key === key);
    }
    document.body.classList.toggle("choosing", key !== undefined);
  };

  for (const element of all("[data-tip], [data-key]")) {
    const enter = () => {
      if (element.dataset.tip) show(element);
      if (element.dataset.key) light(element.dataset.key);
    };
    const leave = () => {
      tip.hidden = true;
      light(undefined);
    };
    element.addEventListener("pointerenter", enter);
    element.addEventListener("pointerleave", leave);
    element.addEventListener("focus", enter);
    element.addEventListener("blur", leave);
  }

  // what was earned at the moment that a film shows
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const line of all(".earned")) {
    const film = line.previousElementSibling;
    const returns = line.dataset.returns.split(" ").map(Number);
    const each = 1000 * line.dataset.each;
    if (calm) film.pauseAnimations();
    setInterval(() => {
      const moment = Math.floor((1000 * film.getCurrentTime()) / each) % returns.length;
      line.textContent = `return ${returns[moment].toFixed(1).replace("-", "\u2212")}`;
    }, 80);
  }

  for (const table of all("table.results")) {
    const body = table.querySelector("tbody.rows");
    all("thead th", table).forEach((head, column) => {
      const value = (row) => Number(row.children[column].dataset.sort);
      if (Number.isNaN(value(body.rows[0]))) return;
      head.classList.add("sortable");
      head.tabIndex = 0;
      const sort = () => {
        const rising = head.getAttribute("aria-sort") !== "ascending";
        all("thead th", table).forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const sign = rising ? 1 : -1;
        const number = (row) => (Number.isNaN(value(row)) ? Infinity : value(row));
        body.append(...[...body.rows].sort((a, b) => sign * (number(a) - number(b))));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter") sort();
      });
    });
  }
  addEventListener("beforeprint", () => all("details").forEach((d) => (d.open = true)));
  document.documentElement.dataset.ready = "yes";
})();
