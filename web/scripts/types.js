// Makes src/lib/api/schema.d.ts of src/lib/api/openapi.json, the studio's part of the server's OpenAPI document. The sum in the
// first line lets the server's tests see that it was made of the document of today.
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import openapi, { astToString } from "openapi-typescript";

const folder = new URL("../src/lib/api/", import.meta.url);
const text = await readFile(new URL("openapi.json", folder), "utf8");
// A field that may be left out when it is sent stays one that may, whatever stands in for it.
const types = astToString(await openapi(text, { defaultNonNullable: false, alphabetize: false }));
const sum = createHash("sha256").update(text.replaceAll("\r\n", "\n")).digest("hex");
const head = `// Made by \`npm run types\` of openapi.json (SHA-256 ${sum}): do not edit.\n\n`;
await writeFile(new URL("schema.d.ts", folder), head + types);
