// The authorization server of a new server that verifies tokens itself.
import path from "node:path";
import { binary } from "../clients/places.mjs";
import { finish } from "../clients/server.mjs";
import { startChild } from "../servers/child.mjs";
import { addPerson } from "./make.mjs";

/** Checks the configuration that was written, starts what it says, and adds the person. Resolves with its data directory. */
export async function startAuthority(folder, account, closing) {
  await finish(binary, ["config", "check"], { cwd: folder });
  const started = await startChild(binary, ["serve", "--config", "portcullis.toml"], { ready: /claim|setup/, cwd: folder, log: `${folder}.serve.log` });
  closing.push(started.stop);
  const data = path.join(folder, "data");
  await addPerson(data, account);
  return data;
}
