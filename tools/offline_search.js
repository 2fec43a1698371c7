// Lets the search of the site work where its pages are opened as files: browsers start no worker from a file there. The
// worker's script runs in a hidden frame instead, and the two talk by events.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.inside = frame.contentWindow;
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.waiting = [];
      const script = frame.contentDocument.createElement("script");
      script.src = url;
      script.onload = () => {
        for (const data of this.waiting.splice(0)) this.tell(data);
        this.waiting = null;
      };
      frame.contentDocument.body.appendChild(script);
    }
    postMessage(data) {
      if (this.waiting === null) this.tell(data);
      else this.waiting.push(data);
    }
    tell(data) {
      this.inside.dispatchEvent(new MessageEvent("message", { data }));
    }
  };
}
