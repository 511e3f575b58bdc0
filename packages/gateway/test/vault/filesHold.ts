import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Which of these bytes are anywhere in the files of a folder: the database, its log, whatever else lies there. */
export async function heldInFiles(folder: string, wanted: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name)))
  const contents = await Promise.all(files)
  return wanted.filter((bytes) => contents.some((content) => content.includes(Buffer.from(bytes))))
}
