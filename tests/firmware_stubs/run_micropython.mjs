// Runs a Python file under MicroPython (WebAssembly) and prints what it prints.
//   node run_micropython.mjs FOLDER_OF_THE_PACKAGE SCRIPT [NAME=FILE ...]
// Each NAME=FILE is copied into MicroPython's file system first.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, script, ...files] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(join(folder, "micropython.mjs")).href);
const micropython = await loadMicroPython({
  heapsize: 4 * 1024 * 1024,
  linebuffer: true,
  stdout: (line) => process.stdout.write(line + "\n"),
});
for (const pair of files) {
  const [name, file] = pair.split("=");
  micropython.FS.mkdirTree("/" + dirname(name));
  micropython.FS.writeFile("/" + name, readFileSync(file));
}
try {
  micropython.runPython("import sys; sys.path.insert(0, '/')");
  micropython.runPython(readFileSync(script, "utf8"));
} catch (error) {
  process.stderr.write(String(error.message ?? error) + "\n");
  process.exit(1);
}
