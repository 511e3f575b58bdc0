import {
  ColumnDefinitionNode,
  CompiledQuery,
  PostgresDialect,
  PostgresDriver,
  PostgresQueryCompiler,
  type DatabaseConnection,
  type DataTypeNode,
  type PostgresDialectConfig,
} from 'kysely'
import { checkStorable } from '../storableText.ts'

export interface LatchkeyDialectConfig extends PostgresDialectConfig {
  /** What begins a transaction: statements without parameters, all sent in one round trip. */
  readonly begin: string
}

/** Kysely's Postgres dialect, as its own but for how a transaction begins and how texts are compared. */
export class LatchkeyPostgresDialect extends PostgresDialect {
  readonly #config: LatchkeyDialectConfig

  constructor(config: LatchkeyDialectConfig) {
    super(config)
    this.#config = config
  }

  override createDriver(): PostgresDriver {
    return new LatchkeyDriver(this.#config)
  }

  override createQueryCompiler(): PostgresQueryCompiler {
    return new ByteOrderCompiler()
  }
}

class LatchkeyDriver extends PostgresDriver {
  readonly #begin: string

  constructor({ begin, ...config }: LatchkeyDialectConfig) {
    super(config)
    this.#begin = begin
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await connection.executeQuery(CompiledQuery.raw(this.#begin))
    } catch (error) {
      // It has begun, and then waited for a lock in vain. Kysely knows of no transaction, and gives the connection back.
      await connection.executeQuery(CompiledQuery.raw('rollback')).catch(() => {})
      throw error
    }
  }
}

/**
 * Makes text columns of the collation "C", whatever the database's own is: texts are then compared and sorted by their
 * bytes, and `lower` changes ASCII letters only, as in SQLite; and the beginning of a text can be found in an index.
 */
class ByteOrderCompiler extends PostgresQueryCompiler {
  protected override appendValue(parameter: unknown): void {
    checkStorable(parameter)
    super.appendValue(parameter)
  }

  protected override visitDataType(node: DataTypeNode): void {
    super.visitDataType(node)
    if (node.dataType === 'text' && this.parentNode !== undefined && ColumnDefinitionNode.is(this.parentNode)) {
      this.append(' collate "C"')
    }
  }
}
