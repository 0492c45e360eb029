// Sign and verify by npm's libraries: a JSON document per line in, and the answer, or an error's name, per line out.
import { createInterface } from "node:readline";
import { sign, verify } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";

const methods = {
  "github.sign": ({ secret, body }) => sign(secret, body),
  "github.verify": ({ secret, body, headers }) => verify(secret, body, headers["x-hub-signature-256"]),
  "standard.sign": ({ secret, body, id, at }) => new Webhook(secret).sign(id, new Date(at * 1000), body),
  "standard.verify": ({ secret, body, headers }) => {
    new Webhook(secret).verify(body, headers); // returns the parsed body, or throws
    return true;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer;
  try {
    answer = await methods[asked.method](asked);
  } catch (error) {
    answer = error.name;
  }
  console.log(JSON.stringify(answer));
}
