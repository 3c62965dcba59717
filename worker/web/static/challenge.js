/* The proof of work in a form (see worker/web/gate/challenge.py). In the form stands

     <div data-challenge="/altcha" data-field="altcha"            where the challenge is fetched, the field that is filled
          data-working="Checking that ..." data-solved="Done."    what is said meanwhile, at the end,
          data-failed="The check did not work ..."                and if it cannot be done
          data-solver="/static/challenge-solver.js"></div>        optional; else it lies beside this file

   Work starts when the visitor first touches the form. A form sent earlier waits for it and is then sent by itself. If
   the work cannot be done (no network, no Web Workers, too slow), the form is sent with the field empty: the server
   then holds the signature for an operator. Load with `defer`. Without this script the field does not exist. */
"use strict";

(function () {
  const HERE = document.currentScript.src;
  const STALE_MS = 8 * 60 * 1000; // the server takes a solution for ten minutes
  const PATIENCE_MS = 90 * 1000; // longer than the slowest device needs; then the form goes without

  function build(box) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = box.dataset.field;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.hidden = true;
    bar.setAttribute("aria-label", box.dataset.working || "");
    const text = document.createElement("span");
    text.setAttribute("role", "status");
    text.setAttribute("aria-live", "polite");
    box.append(field, bar, text);
    return { field: field, bar: bar, text: text };
  }

  function work(challenge, solver, progress) {
    return new Promise(function (resolve, reject) {
      const worker = new Worker(solver);
      const timer = setTimeout(() => end(reject, new Error("too slow")), PATIENCE_MS);
      function end(how, what) {
        clearTimeout(timer);
        worker.terminate();
        how(what);
      }
      worker.onerror = () => end(reject, new Error("the solver does not run"));
      worker.onmessage = function (event) {
        const told = event.data;
        if (told.tried !== undefined) progress(told.tried / challenge.maxnumber);
        else if (told.number === null) end(reject, new Error("there is no solution"));
        else end(resolve, told.number);
      };
      worker.postMessage({ challenge: challenge.challenge, salt: challenge.salt, largest: challenge.maxnumber });
    });
  }

  async function fetched(address) {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
    try {
      const options = { credentials: "same-origin", cache: "no-store", signal: patience.signal };
      const answer = await fetch(address, options);
      if (!answer.ok) throw new Error("no challenge");
      return await answer.json();
    } finally {
      clearTimeout(timer);
    }
  }

  function payload(challenge, number) {
    return btoa(
      JSON.stringify({
        algorithm: challenge.algorithm,
        challenge: challenge.challenge,
        number: number,
        salt: challenge.salt,
        signature: challenge.signature,
      })
    );
  }

  function guard(form, box) {
    const parts = build(box);
    const solver = new URL(box.dataset.solver || "challenge-solver.js", HERE).href;
    let state = "idle"; // idle -> working -> solved | failed
    let since = 0;
    let run = 0; // which run is the present one: a page that comes back from the cache starts a new one
    let waiting = false; // a submit waits for the solution
    let again = true; // what failed is tried once more when the form is sent
    let button = null;

    function show(now) {
      state = now;
      parts.bar.hidden = now !== "working";
      parts.text.textContent = now === "idle" ? "" : box.dataset[now] || "";
    }

    async function start() {
      run += 1;
      const mine = run;
      since = Date.now();
      parts.field.value = "";
      parts.bar.value = 0;
      show("working");
      let value = "";
      try {
        const challenge = await fetched(box.dataset.challenge);
        const number = await work(challenge, solver, (part) => (parts.bar.value = part));
        value = payload(challenge, number);
      } catch (error) {
        value = "";
      }
      if (mine !== run) return;
      parts.field.value = value;
      show(value ? "solved" : "failed");
      if (waiting) send();
    }

    function send() {
      waiting = false;
      if (button && button.isConnected && !button.disabled) button.click();
      else if (form.requestSubmit) form.requestSubmit();
      else form.submit();
    }

    function touched() {
      if (state === "idle") start();
    }

    form.addEventListener("focusin", touched);
    form.addEventListener("input", touched);
    form.addEventListener("submit", function (event) {
      if (state === "solved" && Date.now() - since <= STALE_MS) return;
      if (state === "failed" && !again) return;
      if (state === "failed") again = false;
      event.preventDefault();
      waiting = true;
      button = event.submitter || form.querySelector("button[type=submit], button:not([type])");
      if (state !== "working") start();
    });
    // A page from the browser's cache holds a solution that was spent when the form was sent.
    window.addEventListener("pageshow", function (event) {
      if (!event.persisted) return;
      run += 1;
      waiting = false;
      parts.field.value = "";
      show("idle");
    });
  }

  for (const box of document.querySelectorAll("form [data-challenge]")) guard(box.closest("form"), box);
})();
