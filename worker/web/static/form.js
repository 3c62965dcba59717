// The comfort that the pages do without: the letter shows what is typed, another office is shown without a new page, and
// characters are counted. Nothing typed leaves the page before the form is sent.
(() => {
  "use strict";
  const form = document.querySelector("[data-form]");
  const change = document.querySelector("[data-switch]");
  const find = (name) => form && form.elements.namedItem(name);

  // -- the letter, filled in -----------------------------------------------------------------------------------------
  const typed = { name: "name", city: "city", comment: "comment", country: "country" };
  const said = (field) => {
    const element = find(field);
    if (!element) return "";
    return element.value.trim();
  };
  const fill = () => {
    for (const place of document.querySelectorAll(".sheet [data-fill]")) {
      if (place.dataset.sample === undefined) place.dataset.sample = place.textContent;
      place.textContent = said(typed[place.dataset.fill]) || place.dataset.sample;
    }
  };
  if (form) {
    form.addEventListener("input", fill);
    fill();
  }

  // -- another office, another language ------------------------------------------------------------------------------
  if (change) {
    let newest = 0;
    const show = async () => {
      const mine = ++newest;
      const query = new URLSearchParams(new FormData(change));
      query.set("ui", document.documentElement.lang);
      try {
        const answer = await fetch(`${change.dataset.switch}?${query}`, { credentials: "same-origin" });
        if (!answer.ok) throw new Error(String(answer.status));
        const text = await answer.text();
        if (mine !== newest) return;
        const sheet = new DOMParser().parseFromString(text, "text/html").getElementById("sheet");
        if (!sheet) throw new Error("no sheet");
        document.getElementById("sheet").replaceWith(document.adoptNode(sheet));
        fill();
        const status = change.querySelector("[role=status]");
        const office = change.elements.namedItem("office");
        status.textContent = office ? status.dataset.shown.replace("{office}", office.selectedOptions[0].text) : "";
      } catch {
        if (mine === newest) change.submit(); // the way without JavaScript
      }
    };
    change.addEventListener("change", show);
    change.addEventListener("submit", (event) => {
      event.preventDefault();
      show();
    });
    change.classList.add("live");
  }

  // -- how many offices ----------------------------------------------------------------------------------------------
  const summary = document.querySelector("[data-chosen]");
  if (summary && form) {
    const boxes = [...form.querySelectorAll("input[name=office]:not(:disabled)")];
    const digits = new Intl.NumberFormat(document.documentElement.lang);
    const count = () => {
      summary.textContent = summary.dataset.chosen
        .replace("{some}", digits.format(boxes.filter((box) => box.checked).length))
        .replace("{all}", digits.format(boxes.length));
    };
    boxes.forEach((box) => box.addEventListener("change", count));
  }

  // -- characters left -----------------------------------------------------------------------------------------------
  for (const area of document.querySelectorAll("textarea[data-count]")) {
    const left = document.createElement("p");
    left.className = "hint count";
    const digits = new Intl.NumberFormat(document.documentElement.lang);
    const count = () => {
      const remaining = Number(area.dataset.count) - [...area.value].length;
      left.textContent = area.dataset.left.replace("{n}", digits.format(remaining));
      left.classList.toggle("error", remaining < 0);
    };
    area.after(left);
    area.addEventListener("input", count);
    count();
  }

  // -- in a frame of another site browsers ignore autofocus ----------------------------------------------------------------
  const problems = document.getElementById("problems");
  if (problems && window !== window.top) problems.focus();

  // -- a link to a field inside closed details opens it -----------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const target = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (!target) return;
    const details = target.querySelector("details") || target.closest("details");
    if (details) details.open = true;
  });
})();
