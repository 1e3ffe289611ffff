/* A worker for pages opened as files, where browsers start none: the script runs in a hidden frame. */
if (location.protocol === "file:") {
  // The script of the search looks for this name to know that it runs in a frame.
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      this.answer = event => {
        if (event.source === this.frame.contentWindow) this.deliver(event.data);
      };
      window.addEventListener("message", this.answer);
      const page = this.frame.contentDocument;
      page.open();
      page.write("<!doctype html><script>var postMessage = data => parent.postMessage(data, '*');"
        + "var importScripts = (...urls) => urls.reduce((done, url) => done.then(() => new Promise(resolve => {"
        + "const script = document.createElement('script'); script.src = url; script.onload = resolve;"
        + "document.body.appendChild(script) })), Promise.resolve());<\/script>"
        + `<body><script src="${url}" onload="parent.postMessage({ attncli: 'ready' }, '*')"><\/script>`);
      page.close();
    }

    deliver(data) {
      if (data && data.attncli === "ready") {
        const waiting = this.waiting;
        this.waiting = null;
        waiting.forEach(each => this.postMessage(each));
        return;
      }
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      if (this.onmessage) this.onmessage(event);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      window.removeEventListener("message", this.answer);
      this.frame.remove();
    }
  };
}
