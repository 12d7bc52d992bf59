// Writes vtk.min.js, and the licences of all that went into it, to the folder that is the first argument.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];

/** Return the package that a bundled file belongs to. */
function packageOf(file) {
  const [owner, name] = file.split("node_modules/").at(-1).split("/");
  return owner.startsWith("@") ? `${owner}/${name}` : owner;
}

/** Return the licence that a package comes with: its own file, or the end of its read-me. */
async function licence(name) {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const files = await readdir(folder);
  const own = files.find((file) => /^licen[cs]e/i.test(file));
  const readme = files.find((file) => /^readme/i.test(file));
  const text = await readFile(join(folder, own ?? readme), "utf8");
  const start = own ? 0 : text.search(/^.*licen[cs]e \(?MIT/im);
  if (start < 0) throw new Error(`${name}: no licence found`);
  const line = "=".repeat(78);
  return `${line}\n${name} ${version} (${license})\n${line}\n\n${text.slice(start).trim()}\n`;
}

const result = await build({
  absWorkingDir: here,
  entryPoints: ["vtk.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "vtk",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  metafile: true,
  write: false,
});
const [{ inputs }] = Object.values(result.metafile.outputs);
const used = Object.keys(inputs).filter((file) => file.includes("node_modules/") && inputs[file].bytesInOutput);
const packages = [...new Set(used.map(packageOf))].sort();
const licences = await Promise.all(packages.map(licence));
await mkdir(out, { recursive: true });
await writeFile(join(out, "vtk.min.js"), result.outputFiles[0].text);
await writeFile(join(out, "vtk.LICENSES.txt"), licences.join("\n").replaceAll("\r\n", "\n"));
