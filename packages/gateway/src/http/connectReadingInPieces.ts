import type { Socket } from 'node:net'
import { buildConnector } from 'undici'

/** A head of as many headers as fit into this is parsed in a few milliseconds, whatever is wrong with it. */
const PIECE_BYTES = 4 * 1024

/**
 * Connects as undici does by itself, but has it read what comes in pieces. For each header that is too much undici makes
 * an error with a stack trace, and goes on to the end of what it was given, which is 64 KiB: that took a fifth of a second
 * (security T44). A socket that is destroyed gives nothing more.
 *
 * It speaks HTTP/1.1 only: over HTTP/2 undici would send a request again by itself where the server says that it was not
 * carried out (T52), and let requests share a socket (T51). The `Agent` has to be told so too, which does not come here.
 */
export function connectReadingInPieces(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector({ ...options, allowH2: false })
  return (target, callback) => {
    connect(target, (...[error, socket]: Parameters<buildConnector.Callback>) => {
      if (error !== null) return callback(error, null)
      readInPieces(socket)
      callback(null, socket)
    })
  }
}

function readInPieces(socket: Socket): void {
  const read = socket.read.bind(socket)
  socket.read = (size?: number): unknown => {
    if (socket.destroyed) return null
    const { readableLength } = socket
    return size === undefined && readableLength > PIECE_BYTES ? read(PIECE_BYTES) : read(size)
  }
}
