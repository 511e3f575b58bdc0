export async function doctor(_user: string | undefined, _options: object): Promise<void> {}
