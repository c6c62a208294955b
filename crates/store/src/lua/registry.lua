-- What the scripts of the registry share. Their KEYS begin with: clock, history, due, living, known, gone; their ARGV
-- with: the beginning of the slot's keys, the beginning of the channels' names, the length of the history.

-- The states that scripts give, by their numbers on the wire.
local IDLE, BUSY, STOPPED, DEAD = '2', '3', '5', '6'

local function worker_key(id) return ARGV[1] .. 'worker:' .. id end

local function capability_key(capability) return ARGV[1] .. 'capability:' .. capability end

-- Adds a change to the history and publishes it, in the envelope that all publications have. Ids are UUIDs, so they
-- need no escapes.
local function tell_worker(change, version, id, epoch, now)
  record(KEYS[2], version, ARGV[3], 'c', change, 'w', id)
  redis.call('PUBLISH', ARGV[2] .. change, string.format(
    '{"from":"","at":%.0f,"data":{"worker_id":"%s","epoch":%s}}', now, id, epoch))
end

-- Nil if the worker lives and this is its epoch; else the refusal.
local function outlived(current, state, epoch)
  if not current then return {'NOT_FOUND'} end
  if current ~= epoch or state == STOPPED or state == DEAD then return {'STALE', current, state} end
  return nil
end

-- Takes a worker off the lists of the living; what it was is kept for a while.
local function bury(id, state, capabilities, now, keep_ms)
  local key = worker_key(id)
  redis.call('HSET', key, 'state', state, 'due', now)
  redis.call('PEXPIRE', key, keep_ms)
  redis.call('ZREM', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
  redis.call('ZADD', KEYS[6], now, id)
  for capability in string.gmatch(capabilities, '%S+') do
    redis.call('ZREM', capability_key(capability), id)
  end
end

-- Hears a sign of life at `now`; returns until when nobody dies. A silence of everybody for longer than `stall_ms` means
-- that nobody could be heard: Redis was away, or nobody served. Whoever is heard first gives that time back to all, at
-- most `dead_after_ms`. Signs that follow closely are not written down.
local function end_silence(key, now, dead_after_ms, stall_ms)
  local was = redis.call('HMGET', key, 'heard', 'grace_until')
  local silence, grace_until = was[1] and now - was[1] or dead_after_ms, tonumber(was[2] or 0)
  if silence > stall_ms then
    grace_until = now + math.min(silence, dead_after_ms)
    redis.call('HSET', key, 'heard', now, 'grace_until', grace_until)
  elseif silence > stall_ms / 16 then
    redis.call('HSET', key, 'heard', now)
  end
  return grace_until
end
