// What every call of a page passes: a login that has ended is asked for again, a call that is refused or lost is told of,
// and an event is told of while there is a stream that can tell it. What is half written stays.
(() => {
  // A browser that keeps nothing for us may say so by an error at each look: then a page keeps it while it is open.
  for (const name of ["localStorage", "sessionStorage"]) {
    try {
      window[name].getItem("ftchat");
    } catch {
      const kept = new Map();
      const store = {
        getItem: (key) => kept.get(key) ?? null,
        setItem: (key, value) => { kept.set(key, String(value)); },
        removeItem: (key) => { kept.delete(key); },
      };
      Object.defineProperty(window, name, { value: store });
    }
  }

  const ask = window.fetch;
  const line = (id) => document.getElementById(id); // of the strip
  const toLoadAnew = () => { window.ftchatStale = true; }; // by the news, when nothing is half written

  let leaving = false; // once, however many calls find the door shut: a second would cut off the first
  const leave = () => {
    toLoadAnew(); // who logs in again in another tab has a session here that is none of theirs
    if (window.ftchatWriting?.()) {
      if (line("ended")) line("ended").hidden = false;
      return;
    }
    if (leaving) return;
    leaving = true;
    location.assign("/login");
  };

  // Gradio ends a page's stream with its last event. Whoever asks for another one then may hear that it is on its way
  // before they hear of the end: gradio believes in the old stream, and opens none. So the answer to the asking waits
  // for the end that was sent before it: the server counts the streams, and says which was the last to end. An end that
  // does not come is told in its stead, and so is the end of a stream that was cut off. What that one would have told is
  // lost: the page is to be loaded anew, when it has heard of what was asked meanwhile.
  const PATIENCE_MS = 5000;
  const END = '"close_stream"';
  const FAREWELL = 'data: {"msg":"close_stream","event_id":null}\n\n';
  const farewell = new TextEncoder().encode(FAREWELL);
  const pause = (ms) => new Promise((go) => setTimeout(go, ms));
  let stream = { number: 0, over: null, hangUp() {} };
  let opening = null;

  const told = (answer, signal) => {
    let end, gradio;
    let tail = "";
    const over = new Promise((done) => { end = done; });
    const mine = { number: Number(answer.headers.get("x-stream")), over, hangUp: () => gradio.enqueue(farewell) };
    const reader = answer.body.getReader();
    const words = new TextDecoder();
    const read = async (to) => {
      const { done, value } = await reader.read();
      if (!done) {
        tail = (tail + words.decode(value, { stream: true })).slice(-100);
        return to.enqueue(value);
      }
      ended(to);
    };
    const ended = (to) => {
      if (!tail.includes(END) && !signal?.aborted) {
        to.enqueue(farewell);
        setTimeout(toLoadAnew, 1000);
      }
      end();
      to.close();
    };
    const body = new ReadableStream({
      start: (to) => { gradio = to; },
      pull: (to) => read(to).catch(() => ended(to)),
      cancel: (why) => { end(); return reader.cancel(why); },
    });
    signal?.addEventListener("abort", end); // gradio heard of the end
    stream = mine;
    return new Response(body, answer);
  };

  // Of a call that is lost gradio makes a lost connection: it calls nothing any more, and loads the page anew over what is
  // half written. Of one that is refused it shows the words, if they are a text; those of a direct call it never shows.
  const EVENTS = /\/gradio_api\/(run|queue)\//;
  const SHOWN_MS = 10_000;
  let hiding = 0;
  const say = (words) => {
    if (!line("refused")) return;
    line("refused").textContent = words;
    line("refused").hidden = false;
    clearTimeout(hiding);
    hiding = setTimeout(() => { line("refused").hidden = true; }, SHOWN_MS);
  };

  const refused = async (place, answer) => {
    const told = (await answer.json().catch(() => null)) ?? {}; // a proxy's page, or nothing
    const texts = [told.error?.message, told.error, told.detail, line("refused")?.dataset.lost, ""];
    const words = texts.find((text) => typeof text === "string");
    if (told.error?.type === "NotFound") toLoadAnew();
    if (!place.includes("/queue/join")) say(words);
    if (!place.includes("/queue/data?")) return new Response(JSON.stringify({ error: words, detail: words }), answer);
    setTimeout(toLoadAnew, 1000);
    const broken = JSON.stringify({ msg: "unexpected_error", event_id: null, message: words });
    return new Response(`data: ${broken}\n\n${FAREWELL}`);
  };

  // What is asked for comes in the order in which it was pressed, and so do the answers to the askings: gradio keeps what
  // it hears of an event until it has the answer to its asking, and would show a new conversation after the question in it.
  let last = Promise.resolve();
  window.fetch = (...what) => {
    const place = String(what[0].url ?? what[0]);
    // Gradio asks for this when it has lost a connection after all, and loads the page anew when it hears.
    if (place.endsWith("/app_id") && window.ftchatWriting?.()) return Promise.resolve(new Response("", { status: 503 }));
    if (!place.includes("/queue/join")) return passed(place, what);
    const answer = last.then(() => joined(place, what));
    last = Promise.race([answer.catch(() => {}), pause(PATIENCE_MS)]);
    return answer;
  };

  const joined = async (place, what) => {
    const answer = await passed(place, what);
    const ended = Number(answer.headers.get("x-stream"));
    if (stream.number < ended) await opening; // that one's beginning is on its way, too
    if (stream.number <= ended) {
      const late = setTimeout(stream.hangUp, PATIENCE_MS);
      await stream.over;
      clearTimeout(late);
    }
    return new Response(await answer.text(), answer);
  };

  const passed = async (place, what) => {
    const asked = ask(...what);
    if (place.includes("/queue/data?")) opening = asked.catch(() => {});
    const answer = await asked.catch((why) => {
      if (why.name === "AbortError" || !EVENTS.test(place)) throw why;
      return new Response("", { status: 502 });
    });
    if (answer.status === 401) leave();
    if (!answer.ok && EVENTS.test(place)) return refused(place, answer);
    if (answer.ok && place.includes("/queue/data?")) return told(answer, what[0].signal ?? what[1]?.signal);
    return answer;
  };
})();
