"""Broken manifests: every fault at its place, all at once, never a traceback."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.errors import ExitCode, ManifestError
from pipeline.manifest import load_manifest, validate_manifest

HEAD = "version: 1\nmodel: model_wan-2-7-image\n"
I = HEAD + "items:\n"  # noqa: E741 - one letter keeps a case on its line
O = I + "  - id: oak\n    prompt: an oak\n"  # noqa: E741 - the same
# An item for each row of a CSV, and of a JSON Lines file.
R = (
    I
    + "  - id: ${slug}\n    prompt: a ${what}\n    params: {seed: '${seed}'}\n    rows: a.csv\n"
)
J = (
    I
    + "  - id: ${slug}\n    prompt: a ${what}\n    params: {seed: '${seed}'}\n    rows: a.jsonl\n"
)


@dataclass(frozen=True)
class Case:
    name: str
    text: str | bytes
    faults: list[str]
    files: dict[str, bytes] = field(default_factory=dict)


# fmt: off
CASES = [
    Case("empty file", "", ["m.yaml:1:1: the manifest is empty; start with `version: 1`"]),
    Case("only comment", "# nothing\n", ["m.yaml:1:1: the manifest is empty; start with `version: 1`"]),
    Case("not a mapping", "- a\n- b\n", ["m.yaml:1:1: a manifest must be a mapping (key: value), not a list"]),
    Case("a text", "hello", ["m.yaml:1:1: a manifest must be a mapping (key: value), not text"]),
    Case("another yaml", "services:\n  web: {image: x}\n", ["m.yaml:1:1: this is not a manifest: it has neither 'version' nor 'items'; see manifests/quickstart.yaml"]),
    Case("no version", "model: model_wan-2-7-image\nitems:\n  - id: oak\n    prompt: x\n", ["m.yaml:1:1: 'version' is missing; begin with `version: 1`"]),
    Case("version 2", "version: 2\nmodel: model_wan-2-7-image\nitems:\n  - {id: oak, prompt: x}\n", ["m.yaml:1:10: version must be 1; a newer release of pipeline may be able to read it"]),
    Case("version text", 'version: "1"\nmodel: model_wan-2-7-image\nitems:\n  - {id: oak, prompt: x}\n', ["m.yaml:1:10: version must be 1; write `version: 1`"]),
    Case("version true", "version: true\nmodel: model_wan-2-7-image\nitems:\n  - {id: oak, prompt: x}\n", ["m.yaml:1:10: version must be 1; write `version: 1`"]),
    Case("no model", "version: 1\nitems:\n  - {id: oak, prompt: x}\n", ["m.yaml:1:1: 'model' is missing; write `model: model_wan-2-7-image`"]),
    Case("model letter missing", "version: 1\nmodel: model_wan-2-7-imag\nitems:\n  - {id: oak, prompt: x, params: {sead: 1}}\n  - {id: elm, prompt: x, params: {images: [ref:bark]}}\n", ["m.yaml:2:8: unknown model 'model_wan-2-7-imag'; did you mean 'model_wan-2-7-image'?", "m.yaml:4:35: unknown input 'sead' of model_wan-2-7-image; did you mean 'seed'?", "m.yaml:5:44: there is no reference 'bark'; name the file under references, or write file:PATH"]),
    Case("model letters swapped", "version: 1\nmodel: model_wan-2-7-imgae-pro\nitems:\n  - {id: oak, prompt: x, params: {sead: 1}}\n", ["m.yaml:2:8: unknown model 'model_wan-2-7-imgae-pro'; did you mean 'model_wan-2-7-image-pro'?", "m.yaml:4:35: unknown input 'sead' of model_wan-2-7-image-pro; did you mean 'seed'?"]),
    Case("model of an item", O+"    model: model_wan-2-7-inage\n    params: {sead: 1}\n", ["m.yaml:6:12: unknown model 'model_wan-2-7-inage'; did you mean 'model_wan-2-7-image'?", "m.yaml:7:14: unknown input 'sead' of model_wan-2-7-image; did you mean 'seed'?"]),
    Case("model key", "version: 1\nmodle: model_wan-2-7-image\nitems:\n  - {id: oak, prompt: x, params: {sead: 1}}\n", ["m.yaml:2:1: unknown key 'modle'; did you mean 'model'?", "m.yaml:4:35: unknown input 'sead' of model_wan-2-7-image; did you mean 'seed'?"]),
    Case("no model and more", "version: 1\nitems:\n  - {id: oak, prompt: ' ', params: {images: [ref:bark]}}\n", ["m.yaml:1:1: 'model' is missing; write `model: model_wan-2-7-image`", "m.yaml:3:23: the prompt is empty", "m.yaml:3:46: there is no reference 'bark'; name the file under references, or write file:PATH"]),
    Case("no items", "version: 1\nmodel: model_wan-2-7-image\n", ["m.yaml:1:1: 'items' is missing; list what to make: `items: [{id: …, prompt: …}]`"]),
    Case("empty items", "version: 1\nmodel: model_wan-2-7-image\nitems: []\n", ["m.yaml:3:8: there are no items"]),
    Case("null items", "version: 1\nmodel: model_wan-2-7-image\nitems:\n", ["m.yaml:3:7: items must be a list, not nothing"]),
    Case("items typo", "version: 1\nmodel: model_wan-2-7-image\nitem:\n  - {id: oak, prompt: x}\n", ["m.yaml:3:1: unknown key 'item'; did you mean 'items'?"]),
    Case("unknown top key", O+"sead: 3\n", ["m.yaml:6:1: unknown key 'sead'; did you mean 'seed'? model inputs go under params"]),
    Case("unknown item key", O+"    parms: {seed: 1}\n", ["m.yaml:6:5: unknown key 'parms'; did you mean 'params'?"]),
    Case("seed beside id", O+"    seed: 1\n", ["m.yaml:6:5: unknown key 'seed'; model inputs go under params"]),
    Case("promt typo", I+"  - id: oak\n    promt: x\n", ["m.yaml:5:5: unknown key 'promt'; did you mean 'prompt'?"]),
    Case("item is text", I+"  - oak\n", ["m.yaml:4:5: an item must be a mapping (key: value), not text"]),
    Case("item without id", I+"  - prompt: x\n", ["m.yaml:4:5: the item has no 'id'; the id names the item's file"]),
    Case("id number", I+"  - id: 12\n    prompt: x\n", ['m.yaml:4:9: id must be text, not the number 12; put it in quotes: "12"']),
    Case("prompt list", I+"  - id: oak\n    prompt: [a]\n", ['m.yaml:5:13: \'prompt\' takes text, not a list; if it is text, write: prompt: "[a]"']),
    Case("prompt number", I+"  - id: oak\n    prompt: 12\n", ['m.yaml:5:13: \'prompt\' takes text, not the number 12; put it in quotes: "12"']),
    Case("prompt empty", I+"  - id: oak\n    prompt: '  '\n", ["m.yaml:5:13: the prompt is empty"]),
    Case("prompt missing", I+"  - id: oak\n", ["m.yaml:4:5: 'prompt' is missing: model_wan-2-7-image requires it"]),
    Case("prompt twice", I+"  - id: oak\n    prompt: a\n    params: {prompt: b}\n", ["m.yaml:5:5: the prompt is given twice: here and under params; keep one of the two"]),
    Case("params list", O+"    params: [a]\n", ["m.yaml:6:13: params must be a mapping (key: value), not a list"]),
    Case("unknown input", O+"    params:\n      sead: 5\n", ["m.yaml:7:7: unknown input 'sead' of model_wan-2-7-image; did you mean 'seed'?"]),
    Case("dryRun", O+"    params: {dryRun: true}\n", ["m.yaml:6:14: 'dryRun' is not an input: the service ignores it and starts a paid job; use `pipeline plan` to see prices"]),
    Case("bool as text", O+"    params: {thinkingMode: no}\n", ["m.yaml:6:28: 'thinkingMode' takes true or false, not the text 'no'; write true or false"]),
    Case("size x", O+"    params: {size: 2048x1152}\n", ["m.yaml:6:20: 'size' does not take '2048x1152'; did you mean '2048*1152'?"]),
    Case("size unknown", O+"    params: {size: 1K5}\n", ["m.yaml:6:20: 'size' does not take '1K5'; did you mean '1K'?"]),
    Case("seed neg", O+"    params: {seed: -1}\n", ["m.yaml:6:20: 'seed' must be at least 0, not -1"]),
    Case("seed large", O+"    params: {seed: 2147483648}\n", ["m.yaml:6:20: 'seed' must be at most 2147483647, not 2147483648"]),
    Case("seed fraction", O+"    params: {seed: 1.5}\n", ["m.yaml:6:20: 'seed' takes a whole number, not 1.5"]),
    Case("seed text", O+"    params: {seed: 'abc'}\n", ["m.yaml:6:20: 'seed' takes a number, not the text 'abc'"]),
    Case("seed quoted", O+"    params: {seed: '12'}\n", ["m.yaml:6:20: 'seed' takes a number, not the text '12'; remove the quotes: 12"]),
    Case("outputs 5", O+"    params: {numOutputs: 5}\n", ["m.yaml:6:26: 'numOutputs' must be at most 4, not 5"]),
    Case("null input", O+"    params: {seed: }\n", ["m.yaml:6:20: 'seed' has no value; leave the input out to use the model's default"]),
    Case("octal", O+"    params: {seed: 012}\n", ['m.yaml:6:20: 012 is ambiguous; write 12 for the number or "012" for the text']),
    Case("nan", O+"    params: {seed: .nan}\n", ["m.yaml:6:20: .nan is not a number that can be sent; put it in quotes if it is text"]),
    Case("huge int", O+"    params: {seed: 99999999999999999999999}\n", ["m.yaml:6:20: 99999999999999999999999 is not a number that can be sent; put it in quotes if it is text"]),
    Case("top params bad", HEAD+"params:\n  size: 2k9\nitems:\n  - {id: a, prompt: x}\n  - {id: b, prompt: x}\n", ["m.yaml:4:9: 'size' does not take '2k9'; did you mean '2K'?"]),
    Case("ten images", O+f"    params: {{images: [{', '.join(f'asset_{i}' for i in range(10))}]}}\n", ["m.yaml:6:22: 'images' takes at most 9 values, this has 10"]),
    Case("image plain path", O+"    params: {images: [refs/style.png]}\n", ["m.yaml:6:23: 'images' takes a file; 'refs/style.png' is not an asset id; write file:refs/style.png"]),
    Case("image url", O+"    params: {images: ['https://x.y/z.png']}\n", ["m.yaml:6:23: 'images' takes a file; 'https://x.y/z.png' is not an asset id; save the file beside the manifest and write file:PATH"]),
    Case("image number", O+"    params: {images: [asset_1, 5]}\n", ["m.yaml:6:32: 'images' takes a file, not the number 5; write ref:NAME, file:PATH, item:ID or an asset id"]),
    Case("unknown ref", HEAD+"references: {style: asset_1}\nitems:\n  - id: oak\n    prompt: x\n    params: {images: [ref:stile]}\n", ["m.yaml:7:23: there is no reference 'stile'; did you mean 'style'?"]),
    Case("no refs", O+"    params: {images: [ref:stile]}\n", ["m.yaml:6:23: there is no reference 'stile'; name the file under references, or write file:PATH"]),
    Case("missing file", O+"    params: {images: ['file:nope.png']}\n", ["m.yaml:6:23: there is no file 'nope.png'; paths are relative to the manifest's folder"]),
    Case("missing reference", HEAD+"references:\n  style: refs/none.png\nitems:\n  - {id: oak, prompt: x, params: {images: [ref:style]}}\n", ["m.yaml:4:10: reference 'style': there is no file 'refs/none.png'; paths are relative to the manifest's folder"]),
    Case("outside", O+"    params: {images: ['file:../secret.png']}\n", ["m.yaml:6:23: '../secret.png' is outside the manifest's folder; copy the file into the folder, or pass --allow-outside"]),
    Case("absolute", O+"    params: {images: ['file:/etc/passwd']}\n", ["m.yaml:6:23: '/etc/passwd' is outside the manifest's folder; copy the file into the folder, or pass --allow-outside"]),
    Case("folder", O+"    params: {images: ['file:.']}\n", ["m.yaml:6:23: '.' is a folder"]),
    Case("empty ref file", O+"    params: {images: ['file:e.png']}\n", ["m.yaml:6:23: 'e.png' is empty"], {"e.png":b""}),
    Case("text as image", O+"    params: {images: ['file:t.png']}\n", ["m.yaml:6:23: 'images' takes image files; t.png is text/plain"], {"t.png":b"hello"}),
    Case("chaining", O+"    params: {images: ['item:oka']}\n", ["m.yaml:6:23: there is no item 'oka'; did you mean 'oak'?"]),
    Case("4k with images", I.replace("image\n","image-pro\n")+"  - id: oak\n    prompt: x\n    params: {size: 4K, images: [asset_1]}\n", ["m.yaml:6:20: size 4K cannot be combined with images; 4K sizes are for text-to-image; use 2K, or leave images out"]),
    Case("dup id", O+"  - id: oak\n    prompt: y\n", ["m.yaml:6:9: id 'oak' is already taken at line 4; ids must be unique, ignoring case"]),
    Case("dup id case", O+"  - id: Oak\n    prompt: y\n", ["m.yaml:6:9: id 'Oak' is already taken at line 4; ids must be unique, ignoring case"]),
    Case("outputs collide", O+"    params: {numOutputs: 2}\n  - id: oak-1\n    prompt: y\n", ["m.yaml:7:9: id 'oak-1' is already an output's name, at line 4; rename one of the two"]),
    Case("outputs collide before", I+"  - id: oak-1\n    prompt: y\n  - id: oak\n    prompt: an oak\n    params: {numOutputs: 2}\n", ["m.yaml:6:9: id 'oak' has several outputs; 'oak-1' is taken at line 4; rename one of the two"]),
    Case("id dotdot", I + "  - id: '../oak'\n    prompt: x\n", ["m.yaml:4:9: id '../oak' contains '..'; ids stay inside the output folder"]),
    Case("id absolute id", I + "  - id: '/oak'\n    prompt: x\n", ["m.yaml:4:9: id '/oak' begins with '/'; ids are relative to the output folder"]),
    Case("id space", I + "  - id: 'an oak'\n    prompt: x\n", ["m.yaml:4:9: id 'an oak' contains ' '; use letters, digits, '.', '_', '-' and '/' for folders"]),
    Case("id empty seg", I + "  - id: 'a//b'\n    prompt: x\n", ["m.yaml:4:9: id 'a//b' has an empty part between slashes"]),
    Case("id dot", I + "  - id: '.'\n    prompt: x\n", ["m.yaml:4:9: id '.' contains '.'; ids stay inside the output folder"]),
    Case("id hidden", I + "  - id: '.oak'\n    prompt: x\n", ["m.yaml:4:9: id '.oak' has a part that begins with '.'; it would be hidden"]),
    Case("id con", I + "  - id: 'con'\n    prompt: x\n", ["m.yaml:4:9: id 'con' contains 'con', a reserved device name on Windows; rename it"]),
    Case("id nul.txt", I + "  - id: 'a/NUL.txt'\n    prompt: x\n", ["m.yaml:4:9: id 'a/NUL.txt' contains 'NUL.txt', a reserved device name on Windows; rename it"]),
    Case("id trail dot", I + "  - id: 'oak.'\n    prompt: x\n", ["m.yaml:4:9: id 'oak.' has a part that ends with '.'; Windows drops the dot"]),
    Case("id report", I + "  - id: 'report/x'\n    prompt: x\n", ["m.yaml:4:9: id 'report/x' is a reserved name in the output folder; rename it"]),
    Case("id ledger", I + "  - id: 'ledger.sqlite3'\n    prompt: x\n", ["m.yaml:4:9: id 'ledger.sqlite3' is a reserved name in the output folder; rename it"]),
    Case("id long", I + "  - id: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'\n    prompt: x\n", ["m.yaml:4:9: id 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' has a part longer than 120 characters"]),
    Case("id file folder", I + "  - id: 'a.png/b'\n    prompt: x\n", ["m.yaml:4:9: id 'a.png/b' has a folder named like a file, 'a.png'; rename the folder"]),
    Case("id umlaut", I + "  - id: 'bäume'\n    prompt: x\n", ["m.yaml:4:9: id 'bäume' contains 'ä' (U+00E4); use letters a to z, digits, '.', '_', '-' and '/' for folders"]),
    Case("id backslash", I + "  - id: 'a\\b'\n    prompt: x\n", ["m.yaml:4:9: id 'a\\b' contains '\\\\'; write / for folders"]),
    Case("id trail slash", I + "  - id: 'a/'\n    prompt: x\n", ["m.yaml:4:9: id 'a/' has an empty part between slashes"]),
    Case("id empty", I+"  - id: ''\n    prompt: x\n", ["m.yaml:4:9: the id is empty"]),
    Case("unknown var", I+"  - id: oak-${biom}\n    prompt: a ${biome} oak\n    matrix: {biome: [a, b]}\n", ["m.yaml:4:13: unknown variable 'biom'; did you mean 'biome'?"]),
    Case("unknown var in NFD", I+"  - id: ${slug}\n    prompt: ${gro\u0308\u00dfe}\n    rows: a.csv\n", ["m.yaml:5:13: unknown variable 'gro\u0308\u00dfe'; did you mean 'gr\u00f6\u00dfe'? its '\u00f6' is U+00F6, here it is U+006F U+0308"], {"a.csv":"slug,gr\u00f6\u00dfe\noak,1\n".encode()}),
    Case("unknown var block", I+"  - id: oak-${biome}\n    prompt: |\n      first line\n      a ${bioma} oak\n    matrix: {biome: [a, b]}\n", ["m.yaml:7:9: unknown variable 'bioma'; did you mean 'biome'?"]),
    Case("unclosed", I+"  - id: oak\n    prompt: a ${biome oak\n", ["m.yaml:5:15: '${' without a closing '}'; write ${name}, or $${ for the characters themselves"]),
    Case("empty var", I+"  - id: oak\n    prompt: a ${} oak\n", ["m.yaml:5:15: '${}' is not a variable; write ${name}, without spaces"]),
    Case("axis missing in id", I+"  - id: oak-${a}\n    prompt: x ${b}\n    matrix: {a: [1, 2], b: [3, 4]}\n", ["m.yaml:4:9: the id lacks the axis 'b': items would share an id; write id: oak-${a}-${b}"]),
    Case("axis empty", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: []\n", ["m.yaml:7:10: axis 'a' has no values"]),
    Case("axis not list", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: forest\n", ["m.yaml:7:10: axis 'a' must be a list, not text"]),
    Case("axis dup", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: [x, y, x]\n", ["m.yaml:7:17: axis 'a' has the value 'x' twice"]),
    Case("axis null", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: [x, null]\n", ["m.yaml:7:14: a value of axis 'a' must be text, a number, true or false, not nothing"]),
    Case("axis nested", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: [x, [y]]\n", ["m.yaml:7:14: a value of axis 'a' must be text, a number, true or false, not a list"]),
    Case("axis bad id value", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: [x, dark wood]\n", ["m.yaml:7:14: an id cannot contain 'dark wood', a value of axis 'a'; write id: oak-${slug:a}, which makes it 'dark-wood'"]),
    Case("axis bad param", I+"  - id: oak-${a}\n    prompt: x\n    params: {seed: '${a}'}\n    matrix:\n      a: [1, x]\n", ["m.yaml:8:14: 'seed' takes a number, not the text 'x'"]),
    Case("matrix empty", I+"  - id: oak\n    prompt: x\n    matrix: {}\n", ["m.yaml:6:13: the matrix has no axis; write `axis: [a, b]`"]),
    Case("exclude unknown axis", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: [x, y]\n      exclude: [{b: x}]\n", ["m.yaml:8:18: exclude: no axis 'b'; known: a"]),
    Case("exclude unknown value", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: [forest, y]\n      exclude: [{a: forst}]\n", ["m.yaml:8:21: exclude: axis 'a' has no value 'forst'; did you mean 'forest'?"]),
    Case("exclude all", I+"  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: [x, y]\n      exclude: [{a: x}, {a: y}]\n", ["m.yaml:7:7: the excludes leave no combination"]),
    Case("include only some", I+"  - id: oak-${a}\n    prompt: x ${c}\n    matrix:\n      a: [x, y]\n      include: [{a: x, c: red}]\n", ["m.yaml:5:13: '${c}' has no value here; give it a default under vars"]),
    Case("billion", I+"  - id: oak-${a}-${b}-${c}\n    prompt: x\n    matrix:\n" + "".join(f"      {n}: [{', '.join(map(str,range(1000)))}]\n" for n in "abc"), ["m.yaml:7:7: this makes 1,000,000,000 items; at most 5,000,000 are allowed; split it into several manifests"]),
    Case("rows missing", I+"  - id: ${slug}\n    prompt: x\n    rows: data/none.csv\n", ["m.yaml:6:11: rows: there is no file 'data/none.csv'; paths are relative to the manifest's folder"]),
    Case("rows ext", I+"  - id: ${slug}\n    prompt: x\n    rows: a.txt\n", ["m.yaml:6:11: rows: 'a.txt' is not a supported type of file; use a .csv, .tsv, .xlsx, .jsonl or .ndjson file"], {"a.txt":b"x"}),
    Case("rows old excel", I+"  - id: ${slug}\n    prompt: x\n    rows: a.xls\n", ["m.yaml:6:11: rows: 'a.xls' is not a supported type of file; save it as .xlsx, or as CSV UTF-8"], {"a.xls":b"x"}),
    Case("rows no excel", I+"  - id: ${slug}\n    prompt: x\n    rows: a.xlsx\n", ["a.xlsx: this is not an Excel file that can be read; save it as .xlsx without a password, or as CSV UTF-8"], {"a.xlsx":b"PK"}),
    Case("rows outside", I+"  - id: ${slug}\n    prompt: x\n    rows: ../a.csv\n", ["m.yaml:6:11: rows: '../a.csv' is outside the manifest's folder; copy the file into the folder, or pass --allow-outside"]),
    Case("rows ragged", R, ["a.csv:3:5: this row has 2 cells, the header has 3; for empty cells at its end, write: elm,tree,"], {"a.csv":b"slug,what,seed\noak,tree,1\nelm,tree\n"}),
    Case("rows surplus", R, ["a.csv:2:12: this row has 4 cells, the header has 3; quote a cell that contains a comma"], {"a.csv":b"slug,what,seed\noak,tree,1,6\n"}),
    Case("rows dup header", R, ["a.csv:1:11: the column 'slug' appears twice"], {"a.csv":b"slug,what,slug\noak,tree,1\n"}),
    Case("rows empty header", R, ["a.csv:1:6: a column has no name"], {"a.csv":b"slug,,seed\noak,tree,1\n"}),
    Case("rows pipe", R, ["a.csv:1:1: the columns are separated by '|'; save the file with commas, semicolons or tabs"], {"a.csv":b"slug|what|seed\noak|tree|1\n"}),
    Case("rows semicolon", R, ["a.csv:3:5: 'seed' takes a number, not the text 'x'"], {"a.csv":b"slug;what;seed\noak;tree, tall;1\ne;a;x\n"}),
    Case("rows empty", R, ["a.csv:1:1: the file is empty; the first line names the columns"], {"a.csv":b""}),
    Case("rows header only", R, ["a.csv:1:1: there are no rows"], {"a.csv":b"slug,what,seed\n"}),
    Case("rows unknown column", R, ["m.yaml:5:15: unknown variable 'what'; did you mean 'waht'?"], {"a.csv":b"slug,waht,seed\noak,tree,1\n"}),
    Case("rows bad seed", R, ["a.csv:4:4: 'seed' takes a number, not the text 'x'"], {"a.csv":b'slug,what,seed\noak,"tree, tall",1\nelm,"a\nb",x\n'}),
    Case("rows bad id", R, ["a.csv:3:1: id 'an elm' contains ' '; use letters, digits, '.', '_', '-' and '/' for folders, or write ${slug:slug} in the id"], {"a.csv":b"slug,what,seed\noak,tree,1\nan elm,a,2\n"}),
    Case("rows empty id", R, ["a.csv:3:1: the id is empty"], {"a.csv":b"slug,what,seed\noak,tree,1\n,a,2\n"}),
    Case("rows dup id", R, ["a.csv:3:1: id 'oak' is already taken by another row or combination here; write id: ${slug}-${what}"], {"a.csv":b"slug,what,seed\noak,tree,1\noak,a,2\n"}),
    Case("rows broken utf8", R, ['a.csv:3:6: byte 0xe4 is not UTF-8; save the file as UTF-8 (in Excel, as "CSV UTF-8")'], {"a.csv":"slug,what,seed\nelm,bäum,1\n".encode()+b"oak,b\xe4um,1\n"}),
    Case("rows open quote", R, ['a.csv:2:1: a quote in this row is never closed; close it, or write "" for a quote inside quotes'], {"a.csv":b'slug,what,seed\noak,"tree,1\nelm,a,2\n'}),
    Case("rows after quote", R, ['a.csv:2:1: text after a closing quote; write "" for a quote inside quotes; write: oak,"""tree""x",1'], {"a.csv":b'slug,what,seed\noak,"tree"x,1\nelm,a,2\n'}),
    Case("rows huge line", R, ["a.csv:2:1: a row is longer than 1,048,576 bytes"], {"a.csv":b"slug,what,seed\noak,"+b"x"*1_100_000+b",1\n"}),
    Case("rows control", R, ["a.csv:2:5: 'prompt' contains the character U+0007; remove it"], {"a.csv":b"slug,what,seed\noak,tr\x07ee,1\n"}),
    Case("rows cr", R, ["a.csv:1:1: an old-style line end (CR); save the file with LF or CRLF line ends"], {"a.csv":b"slug,what,seed\roak,tree,1\r"}),
    Case("rows cut utf16", R, ['a.csv:3:1: the file is UTF-16, but it has a broken character here; save the file as UTF-8 (in Excel, as "CSV UTF-8")'], {"a.csv":"slug,what,seed\noak,tree,1\n".encode("utf-16")+b"x"}),
    Case("jsonl broken", J, ["a.jsonl:2:10: not valid JSON: a value is missing here, or a text has no double quotes"], {"a.jsonl":b'{"slug":"oak","what":"tree","seed":1}\n{"slug": oak}\n'}),
    Case("jsonl list", J, ['a.jsonl:2:1: a line must be one JSON object; write one line such as {"slug": "oak"} for each item'], {"a.jsonl":b'{"slug":"oak","what":"tree","seed":1}\n[1]\n'}),
    Case("jsonl nan", J, ["a.jsonl:1:36: NaN is not a JSON value"], {"a.jsonl":b'{"slug":"oak","what":"tree","seed":NaN}\n'}),
    Case("jsonl dup", J, ["a.jsonl:1:29: the key 'slug' appears twice"], {"a.jsonl":b'{"slug":"oak","what":"tree","slug":1}\n'}),
    Case("jsonl missing key", J, ["a.jsonl:2:1: this row has no usable value for 'what'"], {"a.jsonl":b'{"slug":"oak","what":"tree","seed":1}\n{"slug":"elm","seed":1}\n'}),
    Case("jsonl bad type", J, ["a.jsonl:1:29: 'seed' takes a number, not the text '1'; remove the quotes: 1"], {"a.jsonl":b'{"slug":"oak","what":"tree","seed":"1"}\n'}),
    Case("jsonl deep", J, ["a.jsonl:1:1: the JSON is nested too deeply"], {"a.jsonl":b'{"slug":"oak","what":'+b"["*100000+b"\n"}),
    Case("jsonl column axis", I+"  - id: ${slug}\n    prompt: x\n    rows: a.jsonl\n    matrix: {slug: [a]}\n", ["m.yaml:6:11: 'slug' is both a column and an axis; rename one of them"], {"a.jsonl":b'{"slug":"oak"}\n'}),
    Case("tab", I+"\t- id: oak\n", ["m.yaml:4:1: a tab where YAML requires spaces; write, with 2 spaces before it:   - id: oak"]),
    Case("dup key", O+"    prompt: y\n", ["m.yaml:6:5: the key 'prompt' is already used at line 5; keep one of the two"]),
    Case("tag", I+"  - id: oak\n    prompt: !!python/object/apply:os.system ['ls']\n", ["m.yaml:5:13: YAML tags are not allowed: !!python/object/apply:os.system; remove it; quote a value to make it text"]),
    Case("tag custom", I+"  - id: oak\n    prompt: !secret x\n", ['m.yaml:5:13: YAML tags are not allowed: !secret; if it belongs to the text, write: prompt: "!secret x"']),
    Case("merge", I+"  - id: oak\n    prompt: x\n    params: &p {seed: 1}\n  - id: elm\n    prompt: x\n    params:\n      <<: *p\n", ["m.yaml:10:7: merge keys (<<) are not supported; write the values out, or put them in the top-level `params`"]),
    Case("two docs", O+"---\nversion: 1\n", ["m.yaml:6:1: a second document starts here; a manifest is a single document: remove this line, or move the rest to another file"]),
    Case("alias unknown", I+"  - id: oak\n    prompt: *x\n", ['m.yaml:5:13: there is no anchor \'&x\' before \'*x\'; if it is text, write: prompt: "*x"']),
    Case("alias self", I+"  - &x\n    id: oak\n    prompt: a\n    params: {images: *x}\n", ["m.yaml:7:22: the alias '*x' contains itself"]),
    Case("bomb", "a: &a [x,x,x,x,x,x,x,x,x,x]\n"+"".join(f"{c}: &{c} [{','.join(['*'+p]*10)}]\n" for p,c in zip("abcdefgh","bcdefghi",strict=True)), ["m.yaml:6:29: aliases expand to more than 1,000,000 values; use `matrix` or `rows` for many items"]),
    Case("deep", O+"    params: {images: "+"["*60+"]"*60+"}\n", ["m.yaml:6:68: nested deeper than 50 levels"]),
    Case("latin1", I.encode()+b"  - id: oak\n    prompt: B\xe4ume\n", ["m.yaml:5:14: byte 0xe4 is not UTF-8; save the file as UTF-8"]),
    Case("nul", O+"    params: {seed: \x00}\n", ["m.yaml:6:20: the character U+0000 is not allowed; remove it"]),
    Case("ls", I+"  - id: oak\n    prompt: a\u2028b\n", ["m.yaml:5:14: the character U+2028 is not allowed; remove it"]),
    Case("utf16", O.encode("utf-16"), ["m.yaml:1:1: the file is UTF-16; save it as UTF-8"]),
    Case("colon", I+"  - id: oak\n    prompt: style: flat\n", ['m.yaml:5:13: a text with \': \' in it needs quotes; write: prompt: "style: flat"']),
    Case("quote", I+'  - id: oak\n    prompt: "an oak\n  - id: elm\n    prompt: x\n', ['m.yaml:5:13: the quote " that opens here is never closed; write: prompt: "an oak"']),
    Case("bracket", O+"    params: {images: [asset_1\n  - id: elm\n    prompt: x\n", ["m.yaml:6:22: the list that begins here has no ']'; write: params: {images: [asset_1]}"]),
    Case("flow dollar", O+"    params: {images: [${a}]}\n", ['m.yaml:6:23: inside [ ] and { } a ${name} needs quotes; write: params: {images: ["${a}"]}']),
    Case("at", I+"  - id: oak\n    prompt: @oak\n", ['m.yaml:5:13: a text cannot begin with \'@\' unless it is in quotes; write: prompt: "@oak"']),
    Case("indent", I+"  - id: oak\n     prompt: x\n", ["m.yaml:5:6: this line is indented differently from the lines it belongs to; write, with 4 spaces before it:     prompt: x"]),
    Case("complex key", I+"  - ? [a]\n    : b\n", ["m.yaml:4:7: a key must be plain text"]),
    Case("max_cost", O+"max_cost: -5\n", ["m.yaml:6:11: 'max_cost' must be a number of compute units, 0 or more; for example max_cost: 500"]),
    Case("max_cost-text", O+"max_cost: much\n", ["m.yaml:6:11: 'max_cost' must be a number of compute units, 0 or more; for example max_cost: 500"]),
    Case("name bad", O+"name: my icons\n", ["m.yaml:6:7: name 'my icons' must be 1 to 64 letters, digits, '.', '_' or '-'; for example my-icons"]),
    Case("name con", O+"name: con\n", ["m.yaml:6:7: name 'con' is a reserved device name on Windows; for example manifest"]),
    Case("vars list", O+"vars: {a: [1]}\n", ["m.yaml:6:11: 'a' must be text, a number, true or false, not a list"]),
    Case("vars subst", O+"vars: {a: 'x ${b}'}\n", ["m.yaml:6:14: 'a' is taken literally: no ${…} here"]),
    Case("vars null", O+"vars:\n  a:\n", ["m.yaml:7:5: 'a' must be text, a number, true or false, not nothing"]),
    Case("escape", I+'  - id: oak\n    prompt: "a\\x07b"\n', ["m.yaml:5:13: 'prompt' contains the character U+0007; remove it"]),
    Case("model url", O.replace("model_wan-2-7-image","models/../x"), ["m.yaml:2:8: 'models/../x' is not a model id"]),
    Case("three", I+"  - id: oak\n    prompt: an oak\n    sead: 4\n  - id: elm\n    prompt: ${x}\n    params: {size: 5K}\n  - id: oak\n    prompt: y\n", ["m.yaml:6:5: unknown key 'sead'; did you mean 'seed'? model inputs go under params", "m.yaml:8:13: unknown variable 'x'; define it under vars, matrix or rows", "m.yaml:9:20: 'size' does not take '5K'; known: 1K, 2K, 1024*1024, 2048*2048, 1280*720, 720*1280, 2048*1152, 1152*2048, 1024*768, 768*1024, 2048*1536, 1536*2048", "m.yaml:10:9: id 'oak' is already taken at line 4; ids must be unique, ignoring case"]),
    Case("reference mappings bad", HEAD+"references:\n  a: {upright: true}\n  b: {file: x.png, uprigth: true}\n  c: {file: asset_1, upright: true}\n  d: {path: x.png}\n  e: {file: asset_1, upright: yes please}\n  f: {file: 3}\nitems:\n  - {id: a, prompt: x, params: {images: [ref:a]}}\n", ["m.yaml:4:6: reference 'a' has no 'file'; write {file: PATH, upright: true}", "m.yaml:5:13: reference 'b': there is no file 'x.png'; paths are relative to the manifest's folder", "m.yaml:5:20: unknown key 'uprigth'; did you mean 'upright'?", "m.yaml:6:13: reference 'c': an asset of the service cannot be turned: name the file", "m.yaml:7:7: unknown key 'path'; did you mean 'file'?", "m.yaml:8:31: reference 'e': 'upright' must be true or false, not text", "m.yaml:9:13: reference 'f' must be text, not the number 3; put it in quotes: \"3\""]),
    Case("id in NFD", I+"  - id: 'cafe\u0301'\n    prompt: x\n", ["m.yaml:4:9: id 'cafe\u0301' contains 'e\u0301' (U+0065 U+0301); use letters a to z, digits, '.', '_', '-' and '/' for folders"]),
    Case("references bad", HEAD+"references:\n  a b: x.png\n  c: [x]\nitems:\n  - {id: a, prompt: x}\n", ["m.yaml:4:3: 'a b' is not a reference name; use letters, digits, '.', '_' and '-'", "m.yaml:5:6: reference 'c' must be text, not a list"]),
    Case("control key", I+"  - id: oak\n    prompt: x\n    params: {images: {a: b}}\n", ["m.yaml:6:22: 'images' takes a file, not a mapping; write ref:NAME, file:PATH, item:ID or an asset id"]),
    Case("literal id part", I+"  - id: oak tree ${a}\n    prompt: x\n    matrix: {a: [1, 2]}\n", ["m.yaml:4:12: an id cannot contain ' '; use letters, digits, '.', '_', '-' and '/' for folders"]),
    Case("jsonl null", J, ["a.jsonl:1:15: this row has no usable value for 'what'"], {"a.jsonl":b'{"slug":"oak","what":null,"seed":1}\n'}),
    Case("rows empty prompt", I+"  - id: ${slug}\n    prompt: ${what}\n    rows: a.csv\n", ["a.csv:2:5: the prompt is empty"], {"a.csv":b"slug,what\noak, \nelm,x\n"}),
    Case("three wrong rows", R, ["a.csv:2:10: 'seed' takes a number, not the text 'a'", "a.csv:4:10: 'seed' takes a number, not the text 'b'", "a.csv:5:10: 'seed' must be at least 0, not -3"], {"a.csv":b"slug,what,seed\noak,tree,a\nelm,tree,1\nash,tree,b\nyew,tree,-3\n"}),
    Case("crlf", (O+"    sead: 1\n").replace("\n","\r\n"), ["m.yaml:6:5: unknown key 'sead'; did you mean 'seed'? model inputs go under params"]),
    Case("bom", b"\xef\xbb\xbf"+(O+"    sead: 1\n").encode(), ["m.yaml:6:5: unknown key 'sead'; did you mean 'seed'? model inputs go under params"]),
    Case("emoji before the key", I+"  - {id: oak, prompt: 🌳🌲, sead: 1}\n", ["m.yaml:4:27: unknown key 'sead'; did you mean 'seed'? model inputs go under params"]),
    Case("two models", I+"  - id: oak-${m}\n    prompt: x\n    model: model_wan-2-7-image${m}\n    params: {size: 4K}\n    matrix: {m: ['', -pro]}\n", ["m.yaml:7:20: 'size' does not take '4K'; known: 1K, 2K, 1024*1024, 2048*2048, 1280*720, 720*1280, 2048*1152, 1152*2048, 1024*768, 768*1024, 2048*1536, 1536*2048"]),
    Case("axis with vars", HEAD+"vars: {size: 1024x1024}\nitems:\n  - id: oak\n    prompt: x\n    params: {size: '${size}'}\n", ["m.yaml:3:14: 'size' does not take '1024x1024'; did you mean '1024*1024'?"]),
    Case("file var", O.replace("oak\n    ","oak-${f}\n    ",1)+"    params: {images: ['file:${f}.png']}\n    matrix: {f: [a, b]}\n", ["m.yaml:7:21: there is no file 'b.png'; paths are relative to the manifest's folder"], {"a.png":b"\x89PNG\r\n\x1a\n123"}),
    Case("overlap include", "version: 1\nmodel: model_wan-2-7-image\nitems:\n  - id: oak-${a}\n    prompt: x\n    matrix:\n      a: [x, y]\n      include: [{a: x}, {b: 1, a: z}, {}]\n", ["m.yaml:8:39: an entry of include is empty"]),
    Case("anchor on key", I+"  - &a id: oak\n    prompt: x\n", ["m.yaml:4:5: a key cannot have an anchor; put it on a line of its own, before the keys"]),
    Case("percent", I.replace("version","%version")+"  - id: oak\n", ["m.yaml:1:1: a line that begins with '%' is for the YAML parser alone; remove it"]),
    Case("backtick", I+"  - id: oak\n    prompt: `x`\n", ['m.yaml:5:13: a text cannot begin with \'`\' unless it is in quotes; write: prompt: "`x`"']),
    Case("unclosed brace", O+"    params: {seed: 1\n", ["m.yaml:6:13: the mapping that begins here has no '}'; write: params: {seed: 1}"]),
    Case("bad escape", I+'  - id: oak\n    prompt: "a\\qb"\n', ["m.yaml:5:15: in double quotes a backslash begins an escape sequence, and this is none; write: prompt: 'a\\qb'"]),
    Case("outside list", "version: 1\nmodel: model_wan-2-7-image\nitems:\n- id: a\n  prompt: x\n id: b\n", ["m.yaml:6:2: an item begins with '- ', a dash and a space; write: - id: b"]),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_each_fault_is_told_at_its_place(case, tmp_path, monkeypatch):
    write_case(case, tmp_path, monkeypatch)

    with pytest.raises(ManifestError) as caught:
        validate_manifest("m.yaml")

    assert [str(fault) for fault in caught.value.faults] == case.faults
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_loading_alone_tells_no_other_faults(case, tmp_path, monkeypatch):
    write_case(case, tmp_path, monkeypatch)

    try:
        load_manifest("m.yaml")
    except ManifestError as exc:
        assert [str(fault) for fault in exc.faults] == case.faults  # noqa: PT017 - some only show when expanded


def write_case(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder inside another, so that "../" is there but outside.
    folder = tmp_path / "manifests"
    folder.mkdir()
    data = case.text if isinstance(case.text, bytes) else case.text.encode()
    (folder / "m.yaml").write_bytes(data)
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    monkeypatch.chdir(folder)
