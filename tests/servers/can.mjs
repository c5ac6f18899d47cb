// What the gateway can do, of what these tests ask of it.
export const CAN = {
  /** Servers of the old SSE transport. */
  sse: true,
  /** Servers that are programs and speak stdio. */
  stdio: true,
  /** Calls that wait for their person. */
  confirm: true,
  /** A person allows later what an agent was refused. */
  want: true,
};
