import { type PostgresServer, secretsIn, startPostgres } from '@latchkey/test/fixtures'
import { check } from '../world/print.ts'
import { runProgram } from '../world/runProgram.ts'
import { type ExampleWorld, startExampleWorld } from '../world/startExampleWorld.ts'

const PROGRAM = 'langgraph-postgres/agent.ts'
const USER = 'user_alice'
const THREAD = 'thread_7'
const TASK = 'Tell dana@acme.example in a mail that I am coming to the offsite.'

/** A run stops for consent, its process is killed, and another process goes on: the mail is sent once. */
export async function checkLanggraphPostgres(): Promise<void> {
  await using starting = new AsyncDisposableStack()
  const [world, postgres] = await Promise.all([startExampleWorld(), startPostgres()])
  starting.use(world)
  starting.use(postgres)
  const database = await postgres.createDatabase()
  const env = { ...world.env, DATABASE_URL: database }
  const sent = () => world.stack.mail.calls.count(USER, 'send_mail')

  await world.connectAll(USER)
  takeAccessBack(world)
  let link = ''
  await runProgram(PROGRAM, [THREAD, USER, TASK], {
    env,
    onLine: (line, kill) => {
      link = /^Connect mail: (\S+)$/.exec(line)?.[1] ?? ''
      kill()
    },
  })
  check(
    'The run stopped at the call with a link, its process was killed, and no mail was sent',
    link !== '' && sent() === 0,
  )

  await world.connect(USER, link)
  await runProgram(PROGRAM, [THREAD, USER], { env })
  check('Another process went on, and the mail was sent once', sent() === 1, sent())
  const asked = world.model?.requests ?? 2
  check('The model was asked once for the call, and once after it', asked === 2, asked)
  await checkCheckpoint(world, postgres, database)
}

/** Lets the next mail be refused, and the grant not be refreshed: it has ended while the run was under way. */
function takeAccessBack({ stack }: ExampleWorld): void {
  stack.mail.faults.failNext({ user: USER, method: 'tools/call', tool: 'send_mail', status: 401 })
  stack.authorizationServer.failTokenCalls({ status: 400, error: 'invalid_grant' })
}

/** Looks through the bytes of every table for every secret that was in play. */
async function checkCheckpoint(world: ExampleWorld, postgres: PostgresServer, database: string): Promise<void> {
  const tables = await postgres.query("select tablename from pg_tables where schemaname = 'public'", database)
  const rows = await Promise.all(
    tables.map(async ({ tablename }) => await postgres.query(`select * from "${String(tablename)}"`, database)),
  )
  const bytes = rows
    .flat()
    .flatMap((row) => Object.values(row).map(bytesOf))
    .join('\n')
  check('The checkpoint holds the link of the app', bytes.includes('/latchkey/start?connection=mail'))
  const { issuedTokens } = world.stack.authorizationServer
  const secrets = {
    'client secret': world.stack.gateway.clientSecret,
    'MCP URL': await world.latchkey.mcpUrl(USER),
    ...Object.fromEntries(issuedTokens.map((token, index) => [`token ${index + 1} of the provider`, token])),
  }
  const found = secretsIn(bytes, secrets)
  const claim = `and none of ${Object.keys(secrets).length} secrets, in ${bytes.length} bytes of ${tables.length} tables`
  check(claim, found.length === 0 && !/lklink_|lkurl_|eyJ[\w-]+\./.test(bytes), found)
}

function bytesOf(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value)
}
