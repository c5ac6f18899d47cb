// What stands while the parts run: one server, its providers, an MCP server behind it, and a browser.
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { launch } from "../clients/browser.mjs";
import { python } from "../clients/places.mjs";
import { freePort, Server } from "../clients/server.mjs";
import { startChild } from "../servers/child.mjs";
import { here as servers } from "../servers/places.mjs";
import { Colleague } from "./colleague.mjs";
import { oidcProvider, People, pysaml2, simpleSamlPhp } from "./idp.mjs";
import { Liar } from "./liar.mjs";

/** A person every provider knows; `staff` and `ops` are what their groups are called here. */
export const ALEX = { password: "correct horse", name: "Alex Doe", email: "alex@acme.example", verified: true, groups: ["mcp-users", "mcp-admins"] };
/** The scope that only people in `ops` may have, and the tool that needs it. */
export const OPS = "tools:more";
/** The short names of the providers, and what their buttons say. */
export const PROVIDERS = [["acme", "Acme"], ["initech", "Initech"], ["globex", "Globex"]];

const RESOURCE = `
[[resource]]
path = "/python"
name = "Python server"
upstream = "UPSTREAM"
[[resource.scope]]
name = "mcp:tools"
title = "Use the harmless tools"
effect = "reads"
default = true
[[resource.scope]]
name = "${OPS}"
title = "Use all tools"
effect = "changes"
tools = ["add"]
people = ["ops"]
`;

const COMMON = `accounts = "create"
private_network = true
[provider.groups]
"mcp-users" = "staff"
"mcp-admins" = "ops"
`;

export class Site {
  closing = [];

  /** Starts everything below `directory`. */
  static async start(directory, report) {
    const site = new Site();
    Object.assign(site, { directory, report });
    const keep = (started) => {
      site.closing.push(() => started.stop());
      return started;
    };
    site.people = new People(directory);
    site.people.put("alex", ALEX);
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const sp = (name) => ({ entity: `${origin}/saml/${name}/metadata`, acs: `${origin}/saml/${name}/acs` });
    try {
      site.browser = await launch();
      site.closing.push(() => site.browser.close());
      const acme = keep(await oidcProvider(directory, { people: site.people, callback: `${origin}/callback/acme` }));
      const initech = keep(await pysaml2(directory, { people: site.people, sp: sp("initech"), published: true }));
      const globex = keep(await simpleSamlPhp(directory, { people: site.people, sp: sp("globex") }));
      site.idp = { acme, initech, globex };
      const lure = (asked) => {
        const url = new URL(`${acme.issuer}/auth`);
        url.search = asked;
        url.searchParams.set("client_id", acme.clientId);
        url.searchParams.set("redirect_uri", `${origin}/callback/acme`);
        return url.href;
      };
      site.liar = keep(await Liar.open({ lure }));
      const upstream = await freePort();
      const log = path.join(directory, "python-server.log");
      keep(await startChild(python, [path.join(servers, "python_server.py"), String(upstream)], { ready: /Uvicorn running on/, log }));
      site.server = keep(new Server(path.join(directory, "server")));
      await site.server.serve(site.#config(`http://127.0.0.1:${upstream}/mcp`), ["--insecure-cimd-loopback"], port);
      site.server.resource = `${site.server.issuer}/python`;
    } catch (error) {
      await site.stop();
      throw error;
    }
    return site;
  }

  #config(upstream) {
    const file = (name, text) => {
      const place = path.join(this.directory, name);
      writeFileSync(place, text);
      chmodSync(place, 0o600);
      return JSON.stringify(place);
    };
    const { acme, initech, globex } = this.idp;
    const head = ([name, label], kind) => `[[provider]]\nname = "${name}"\nlabel = "${label}"\nkind = "${kind}"\n`;
    const saml = (row, idp) => `${head(row, "saml")}metadata_file = ${file(`${row[0]}.xml`, idp.metadata)}\n${COMMON}`;
    const oidc = `issuer = "${acme.issuer}"\nclient_id = "${acme.clientId}"\nclient_secret_file = ${file("acme.secret", acme.secret)}\n`;
    const more = `scopes = ["openid", "profile", "email", "groups"]\ndomains = ["acme.example"]\n`;
    const { liar } = this;
    const lies = `issuer = "${liar.issuer}"\nclient_id = "${liar.clientId}"\nclient_secret_file = ${file("liar.secret", liar.secret)}\n`;
    const guarded = `private_network = true\naccounts = "create"\naccount_domains = ["acme.example"]\n`;
    const mallory = `${head(["mallory", "Mallory & Co"], "oidc")}${lies}${guarded}`;
    return [RESOURCE.replace("UPSTREAM", upstream), `${head(PROVIDERS[0], "oidc")}${oidc}${more}${COMMON}`, saml(PROVIDERS[1], initech), saml(PROVIDERS[2], globex), mallory].join("\n");
  }

  /** Somebody at a browser of their own. */
  async colleague(provider, login = "alex") {
    const colleague = await Colleague.of(this.browser, provider, login, this.people.all[login].password);
    this.closing.push(() => colleague.close());
    return colleague;
  }

  /** What a command of the binary says, a JSON object for each line. */
  async rows(args) {
    const lines = (await this.server.command([...args, "--json"])).split("\n");
    return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line));
  }

  async stop() {
    for (const close of this.closing.splice(0).reverse()) await Promise.resolve(close()).catch((error) => this.report.fail("runner", error));
  }
}
