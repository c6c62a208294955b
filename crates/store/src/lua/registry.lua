-- What the scripts that change the registry share.
-- args of all of them: slot (the start of the slot's keys), channels (the start of the channels' names), history_length.
local clock_key, history_key, due_key, living_key, known_key, gone_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

-- The states that scripts give, by their numbers on the wire.
local IDLE, BUSY, STOPPED, DEAD = '2', '3', '5', '6'

local function worker_key(id) return args.slot .. 'worker:' .. id end

local function capability_key(capability) return args.slot .. 'capability:' .. capability end

-- Adds a change to the history and publishes it, in the envelope of every publication. Ids are UUIDs, which need no escapes.
local function publish_change(change, version, id, epoch, now)
  record(history_key, version, args.history_length, 'c', change, 'w', id)
  redis.call('PUBLISH', args.channels .. change, string.format(
    '{"from":"","at":%.0f,"data":{"worker_id":"%s","epoch":%s}}', now, id, epoch))
end

-- Nil if the worker lives and this is its epoch; else the refusal.
local function outlived(current, state, epoch)
  if not current then return reply('NOT_FOUND') end
  if current ~= epoch or state == STOPPED or state == DEAD then
    return reply('STALE', {epoch = current, state = state})
  end
  return nil
end

-- Takes a worker off the lists of living workers; its record is kept for a while.
local function bury(id, state, capabilities, now, keep_ms)
  local key = worker_key(id)
  redis.call('HSET', key, 'state', state, 'due', now)
  redis.call('PEXPIRE', key, keep_ms)
  redis.call('ZREM', due_key, id)
  redis.call('ZREM', living_key, id)
  redis.call('ZADD', gone_key, now, id)
  for capability in string.gmatch(capabilities, '%S+') do
    redis.call('ZREM', capability_key(capability), id)
  end
end

-- Notes a sign of life at `now`, a beat or a sweep; returns the time until which no worker dies. A longer silence of all
-- workers than `stall_ms` means that none could be heard: Redis was away, or no process served. The first sign after it gives
-- that time back to all workers, at most `dead_after_ms`. Signs that follow closely are not written.
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
