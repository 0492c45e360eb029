// npm's eventsource, used as its documentation says: a line for each event, until standard input closes.
import { EventSource } from "eventsource";

const source = new EventSource(process.argv[2]);
source.onmessage = ({ data, lastEventId }) => process.stdout.write(JSON.stringify({ data, lastEventId }) + "\n");
process.stdin.on("end", () => process.exit()).resume();
