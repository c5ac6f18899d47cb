// What `portcullis new` asks, refuses and leaves alone.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { binary } from "../clients/places.mjs";
import { expect } from "../clients/report.mjs";
import { finish } from "../clients/server.mjs";
import { listed } from "./make.mjs";
import { work } from "./places.mjs";

export async function run({ report }) {
  const step = report.steps("new");
  const call = (args) => finish(binary, ["new", ...args], { cwd: work, anyCode: true });

  await step("asks on a terminal, again after a wrong answer, and takes defaults", async () => {
    // `script` gives it a terminal; what is typed comes through a pipe.
    const typed = "ruby\ngateway\nMy own notes\nnotes notes\ncrm\n\nhttp://127.0.0.1:1/mcp\n";
    const { stdout } = await finish("script", ["-qec", `'${binary}' new asked`, "/dev/null"], { cwd: work, input: typed });
    for (const said of ["Template", "no template `ruby`", "`notes notes`", "Port to listen on? [8414]", "portcullis serve"]) {
      expect(stdout.includes(said), `${said} to be said: ${stdout}`);
    }
    const written = readFileSync(path.join(work, "asked/portcullis.toml"), "utf8");
    for (const part of ['name = "My own notes"', '"crm:write"', "127.0.0.1:8414", "http://127.0.0.1:1/mcp"]) expect(written.includes(part), part);
  });
  await step("asks nothing without a terminal", async () => {
    const { code, stdout } = await call(["unasked", "--template", "python"]);
    expect(code === 0 && stdout.trim() === path.join(work, "unasked"), `the folder alone on standard output, not ${stdout}`);
  });
  await step("overwrites nothing", async () => {
    mkdirSync(path.join(work, "there"));
    writeFileSync(path.join(work, "there/mine.txt"), "mine");
    for (const folder of ["there", "there/mine.txt"]) {
      const { code, stdout, stderr } = await call([folder, "--yes"]);
      expect(code === 1 && stdout === "" && stderr.includes("is there already"), `a refusal, not ${code}: ${stderr}`);
    }
    expect(listed(path.join(work, "there")).length === 1 && readFileSync(path.join(work, "there/mine.txt"), "utf8") === "mine", "what was there");
  });
  await step("refuses what cannot be, and writes nothing", async () => {
    for (const args of [
      ["My Server"],
      ["async"],
      ["x", "--name", 'a"b'],
      ["x", "--scope", "a b"],
      ["x", "--port", "0"],
      ["x", "--template", "cobol"],
      ["x", "--template", "gateway", "--path", "."],
      ["x", "--template", "gateway", "--upstream", "stdio"],
      ["x", "--template", "python", "--issuer", "http://auth.example.com"],
      ["x", "--path", "/nowhere"],
    ]) {
      const { code, stderr } = await call([...args, "--yes"]);
      expect(code === 1 && stderr.startsWith("error: "), `a refusal of ${args.join(" ")}, not ${code}: ${stderr}`);
    }
    expect(!existsSync(path.join(work, "x")), "no folder");
  });
}
