/**
 * A shard's result is added to a campaign's sums in Redis by this script: at once and once only, whoever sends it how
 * often. Redis keeps the sums, not the results, so what a campaign takes there does not grow with its shards.
 */
import type { Way } from '../fuzz/corpus.js';
import { PACE_SECONDS } from './campaign.js';
import type { ShardResult } from './shard.js';

/** Keys of a campaign, in the order in which the script takes them. */
export const keysOf = (campaign: string) =>
  [
    campaign, // a hash: campaign, stopped, shards, programs, operations, failed
    `${campaign}:done`, // bits, by the shard's index
    `${campaign}:outcomes`, // counts, 64 bits each, by place
    `${campaign}:finds`, // by id: number of the shard's first program, line feed, text
    `${campaign}:ways`, // by cell: operations, blank, program
    `${campaign}:pace`, // operations, by time
  ] as const;

/** The words that the script takes for a result: numbers, then each list behind its length. */
export function wordsOf(result: ShardResult, index: number, ways: readonly Way[]): (string | number)[] {
  const { from, count, operations, failed, outcomes, finds } = result;
  return [
    ...[index, from, count, operations, failed],
    ...[4 * outcomes.length, ...outcomes.flatMap(([place, n]) => ['INCRBY', 'i64', `#${place}`, n])],
    ...[finds.length, ...finds.flatMap(({ id, text }) => [id, text])],
    ...[ways.length, ...ways.flatMap(({ cell, operations, program }) => [cell, operations, program])],
  ];
}

/** Answers how many shards are done, and as cell, way, … the ways that are known and better than those sent. */
export const ADD_RESULT = `
local campaign, done, outcomes, finds, ways, pace = unpack(KEYS)
local better = {}
local at = 5
local function word()
  at = at + 1
  return ARGV[at]
end
if redis.call('SETBIT', done, ARGV[1], 1) == 0 then
  redis.call('HINCRBY', campaign, 'shards', 1)
  redis.call('HINCRBY', campaign, 'programs', ARGV[3])
  redis.call('HINCRBY', campaign, 'operations', ARGV[4])
  redis.call('HINCRBY', campaign, 'failed', ARGV[5])
  local now = tonumber(redis.call('TIME')[1])
  redis.call('HINCRBY', pace, now - now % ${PACE_SECONDS}, ARGV[4])
  local words = tonumber(word())
  if words > 0 then redis.call('BITFIELD', outcomes, unpack(ARGV, at + 1, at + words)) end
  at = at + words
  for _ = 1, word() do
    local id, text = word(), word()
    local known = redis.call('HGET', finds, id)
    if not known or tonumber(ARGV[2]) < tonumber(string.match(known, '^%d+')) then
      redis.call('HSET', finds, id, ARGV[2] .. '\\n' .. text)
    end
  end
  for _ = 1, word() do
    local cell, operations, program = word(), word(), word()
    local known = redis.call('HGET', ways, cell)
    local o, p = 0, 0
    if known then o, p = string.match(known, '(%d+) (%d+)') end
    o, p = tonumber(o), tonumber(p)
    local a, b = tonumber(operations), tonumber(program)
    if not known or a < o or (a == o and b < p) then
      redis.call('HSET', ways, cell, operations .. ' ' .. program)
    else
      better[#better + 1] = cell
      better[#better + 1] = known
    end
  end
end
return { tonumber(redis.call('HGET', campaign, 'shards')), better }
`;
