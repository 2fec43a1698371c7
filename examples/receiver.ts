// Takes alerts of the monitor, without any package. Start it with SECRET=whsec_... node receiver.js 8099.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

type Alert = { type: string; data: { id: string; ltv?: string | null; group?: { id: string }; items?: Alert[] } };
const key = Buffer.from((process.env.SECRET ?? "").replace("whsec_", ""), "base64");
const seen = new Set<string>(); // keep them in your database: an id that you have is an alert that you have

function isGenuine(id: string, sentAt: string, signatures: string, body: Buffer): boolean {
  if (!(Math.abs(Date.now() / 1000 - Number(sentAt)) < 300)) return false;
  const mac = createHmac("sha256", key).update(`${id}.${sentAt}.`).update(body).digest();
  const given = signatures.split(" ").filter((token) => token.startsWith("v1,"));
  return given.map((token) => Buffer.from(token.slice(3), "base64")).some((s) => s.length === 32 && timingSafeEqual(s, mac));
}

createServer(async (request, response) => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const [body, head] = [Buffer.concat(pieces), (name: string) => String(request.headers[`webhook-${name}`] ?? "")];
  if (!isGenuine(head("id"), head("timestamp"), head("signature"), body)) return response.writeHead(400).end();
  const alert = JSON.parse(body.toString()) as Alert;
  for (const one of alert.data.items ?? [alert]) {
    if (!seen.has(one.data.id)) console.log(one.type, one.data.group?.id, one.data.ltv);
    seen.add(one.data.id);
  }
  return response.writeHead(204).end(); // within 15 seconds: put long work into a queue of your own
}).listen(Number(process.argv[2]), "127.0.0.1");
