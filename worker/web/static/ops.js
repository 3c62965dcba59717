// The comfort that the operators' pages do without: parts of a page are made new while one looks, a time says what it is
// here, and a form that was sent is not sent twice. Nothing is made here that the server has not written: each part comes
// as the same HTML that the page was made of.
(() => {
  "use strict";

  // -- parts that are made new ---------------------------------------------------------------------------------------
  const place = document.querySelector("[data-live]");
  const told = document.getElementById("live-state");
  const say = (state, words) => {
    if (!told || told.dataset.state === state) return;
    told.dataset.state = state;
    told.textContent = words;
  };

  // What the reader did to a part is done to the new one: what was unfolded, how far a table was moved, where the focus is.
  const kept = (part) => ({
    open: new Set([...part.querySelectorAll("details[open][data-key]")].map((each) => each.dataset.key)),
    moved: [...part.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]),
    focus: part.contains(document.activeElement) ? address(part, document.activeElement) : null,
  });
  const address = (part, element) => {
    const all = [...part.querySelectorAll("a, button, summary, input, [tabindex]")];
    return { href: element.getAttribute("href"), index: all.indexOf(element) };
  };
  const restore = (part, was) => {
    for (const each of part.querySelectorAll("details[data-key]")) each.open = was.open.has(each.dataset.key) || each.open;
    part.querySelectorAll(".scroll").forEach((each, index) => {
      if (was.moved[index]) [each.scrollLeft, each.scrollTop] = was.moved[index];
    });
    if (!was.focus) return;
    const all = [...part.querySelectorAll("a, button, summary, input, [tabindex]")];
    const same = was.focus.href && all.find((each) => each.getAttribute("href") === was.focus.href);
    const found = same || all[was.focus.index];
    if (found) found.focus({ preventScroll: true });
  };
  const renew = (name, html) => {
    const part = document.getElementById(`part-${name}`);
    if (!part || part.dataset.was === html) return;
    const was = kept(part);
    const parsed = new DOMParser().parseFromString(html, "text/html");
    part.replaceChildren(...parsed.body.childNodes);
    part.dataset.was = html;
    restore(part, was);
    localise(part);
  };

  // Where the server refuses, as while its ledger is away, a browser gives up for good: we ask again, less and less often.
  let pause = 5_000;
  const follow = () => {
    const source = new EventSource(place.dataset.live);
    const ended = new AbortController();
    let heard = Date.now();
    const still = () => {
      heard = Date.now();
      pause = 5_000;
      say("live", "live");
    };
    source.addEventListener("open", still);
    source.addEventListener("parts", (event) => {
      still();
      for (const [name, html] of Object.entries(JSON.parse(event.data))) renew(name, html);
    });
    source.addEventListener("still", still);
    source.addEventListener("stale", () => say("stale", "the ledger cannot be read: what you see is old"));
    source.addEventListener("over", () => {
      source.close();
      location.reload(); // the server says why
    });
    source.addEventListener("done", () => {
      source.close();
      say("done", "finished");
    });
    source.addEventListener("error", () => {
      const gone = source.readyState === EventSource.CLOSED;
      say(gone ? "off" : "again", gone ? "not live: what you see is old" : "connecting again");
      if (!gone || ended.signal.aborted) return;
      ended.abort();
      clearInterval(watch);
      setTimeout(follow, pause);
      pause = Math.min(pause * 2, 60_000);
    });
    const watch = setInterval(() => {
      if (Date.now() - heard > 40_000 && source.readyState === EventSource.OPEN) say("stale", "nothing heard for a while");
    }, 10_000);
    addEventListener("pagehide", () => source.close(), { signal: ended.signal });
  };
  if (place && "EventSource" in window) follow();

  // -- times ---------------------------------------------------------------------------------------------------------
  const here = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const localise = (root) => {
    for (const each of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(each.dateTime);
      if (!Number.isNaN(moment.valueOf())) each.title = `${here.format(moment)} where you are`;
    }
  };
  localise(document);

  // -- forms ---------------------------------------------------------------------------------------------------------
  for (const form of document.querySelectorAll("form[method=post]")) {
    let sent = false;
    form.addEventListener("submit", (event) => {
      if (sent) event.preventDefault();
      sent = true;
    });
    addEventListener("pageshow", () => {
      sent = false;
    });
  }
})();
