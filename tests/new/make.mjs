// `portcullis new`, as it is called here.
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { binary } from "../clients/places.mjs";
import { expect } from "../clients/report.mjs";
import { finish } from "../clients/server.mjs";
import { work } from "./places.mjs";

/** Makes a server in the folder `name`, asked nothing; resolves with the folder. */
export async function make(name, words) {
  const args = ["new", name, "--yes", "--json", ...words.map(String)];
  const { stdout, stderr } = await finish(binary, args, { cwd: work });
  const { folder, files } = JSON.parse(stdout);
  expect(folder === path.join(work, name), `the folder, not ${folder}`);
  for (const file of files) expect(existsSync(path.join(folder, file)), `${file} to be there`);
  expect(listed(folder).length === files.length, `${files.length} files, not ${listed(folder)}`);
  expect(stderr.includes(`cd ${name}`), `what to do next, not ${stderr}`);
  return folder;
}

/** The files below a folder. */
export const listed = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));

/** Runs `portcullis` beside the server whose records lie in `data`. */
export const portcullis = async (data, args, input) => (await finish(binary, [...args, "--data-dir", data], { input })).stdout;

/** Adds the person who signs in. */
export const addPerson = (data, { name, password }) => portcullis(data, ["users", "add", name, "--password-stdin"], password);
