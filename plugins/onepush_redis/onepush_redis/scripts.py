"""What runs inside Redis, so that it happens at once. All keys are of one slot.

``workers`` is a hash from worker to marker, ``epoch:complete:until:run:table``: until in milliseconds of the
server's clock, the server's run id, and the word in the table that the marker speaks of.
``devices`` is a hash from device to claims, ``worker.epoch.since``, newest first, parted by spaces. Its field
``table`` holds a word that is new whenever the hash had to be made anew. A claim counts as long as its worker
is registered with the same epoch.
"""

from __future__ import annotations

from typing import NamedTuple

DAY = 86_400_000
"""Milliseconds for which everything is kept when nobody comes any more."""

ENTER = f"""
-- KEYS: workers devices  ARGV: worker epoch until run fresh-table, then workers that are gone
-- Registers a worker as not complete. {{epoch, table, 1 if this run knew it, or one of those}}
local function find(worker)
  return string.match(redis.call('HGET', KEYS[1], worker) or '', '^(%d+):%d:%d+:([^:]*):(.*)$')
end
redis.call('HSETNX', KEYS[2], 'table', ARGV[5])
local kept, known = redis.call('HGET', KEYS[2], 'table'), 0
for i = 5, #ARGV do
  local _, run, made_for = find(i == 5 and ARGV[1] or ARGV[i])
  if run == ARGV[4] and made_for == kept then known = 1 end
end
local epoch = find(ARGV[1])
if epoch and tonumber(epoch) >= tonumber(ARGV[2]) then return {{tonumber(epoch), kept, known}} end
redis.call('HSET', KEYS[1], ARGV[1], table.concat({{ARGV[2], 0, ARGV[3], ARGV[4], kept}}, ':'))
for i = 6, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], {DAY})
redis.call('PEXPIRE', KEYS[2], {DAY})
return {{tonumber(ARGV[2]), kept, known}}
"""

BEAT = f"""
-- KEYS: workers devices  ARGV: worker epoch complete until run table
-- Renews a marker. 0: the registration or the table is gone, all is to be written anew
local marker = redis.call('HGET', KEYS[1], ARGV[1])
if not marker or string.match(marker, '^%d+') ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[2], 'table') ~= ARGV[6] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], table.concat({{ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]}}, ':'))
redis.call('PEXPIRE', KEYS[1], {DAY})
redis.call('PEXPIRE', KEYS[2], {DAY})
return 1
"""

_EPOCHS = """
local epochs, markers = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #markers, 2 do epochs[markers[i]] = string.match(markers[i + 1], '^%d+') end
"""

WRITE = (
    """
-- KEYS: workers devices  ARGV: worker epoch table, then for each device: device, since ('' when let go)
-- Writes this worker's claims beside those of others. 0: as for BEAT, and nothing was written
"""
    + _EPOCHS
    + """
if epochs[ARGV[1]] ~= ARGV[2] or redis.call('HGET', KEYS[2], 'table') ~= ARGV[3] then return 0 end
local mine = ARGV[1] .. '.' .. ARGV[2] .. '.'
for i = 4, #ARGV, 2 do
  local device, since = ARGV[i], tonumber(ARGV[i + 1])
  local claims, before = {}, redis.call('HGET', KEYS[2], device)
  local placed = not since
  for claim, worker, epoch, moment in string.gmatch(before or '', '((%d+)%.(%d+)%.(%d+))') do
    if worker ~= ARGV[1] and epochs[worker] == epoch then
      if not placed and since >= tonumber(moment) then
        claims[#claims + 1], placed = mine .. ARGV[i + 1], true
      end
      claims[#claims + 1] = claim
    end
  end
  if not placed then claims[#claims + 1] = mine .. ARGV[i + 1] end
  if #claims > 0 then
    redis.call('HSET', KEYS[2], device, table.concat(claims, ' '))
  elseif before then
    redis.call('HDEL', KEYS[2], device)
  end
end
return 1
"""
)

SWEEP = (
    """
-- KEYS: workers devices  ARGV: cursor count
-- Takes away claims that do not count any more, some devices at a time. {next cursor, devices changed}
"""
    + _EPOCHS
    + """
local scanned, changed = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2]), 0
local found = scanned[2]
for i = 1, #found, 2 do
  local claims = {}
  for claim, worker, epoch in string.gmatch(found[i + 1], '((%d+)%.(%d+)%.%d+)') do
    if epochs[worker] == epoch then claims[#claims + 1] = claim end
  end
  local after = table.concat(claims, ' ')
  if found[i] ~= 'table' and after ~= found[i + 1] then
    changed = changed + 1
    if after == '' then redis.call('HDEL', KEYS[2], found[i])
    else redis.call('HSET', KEYS[2], found[i], after) end
  end
end
return {scanned[1], changed}
"""
)


class Scripts(NamedTuple):
    """The digests under which one server knows the scripts."""

    enter: bytes
    beat: bytes
    write: bytes
    sweep: bytes


SOURCES = Scripts(*(source.encode() for source in (ENTER, BEAT, WRITE, SWEEP)))
