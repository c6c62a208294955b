-- The queues in use: which there are, how many of their tasks have not ended, and who opened them. A queue that no task needs
-- any more is idle; idle queues count for no bound, and are forgotten with all that BullMQ kept of them.

-- These queues always have a place: those of tasks that require nothing but a kind of workers at most.
local PLAIN = {work = true, ['work.chat'] = true, ['work.agent'] = true, ['work.command'] = true, ['work.analysis'] = true}
-- An idle queue is looked at after so long, and one with ended jobs that people may look at in BullMQ after so much longer.
local IDLE_MS, AGED_MS = 10 * 1000, 3600 * 1000
-- What else BullMQ keeps of a queue without jobs.
local LEFT_OF_QUEUE = {'wait', 'active', 'paused', 'prioritized', 'delayed', 'completed', 'failed', 'waiting-children', 'meta',
  'events', 'id', 'pc', 'marker', 'stalled', 'stalled-check', 'limiter', 'metrics:completed', 'metrics:completed:data',
  'metrics:failed', 'metrics:failed:data'}

local function is_reserved(queue)
  if PLAIN[queue] then return true end
  local until_ms = redis.call('ZSCORE', key('queues-kept'), queue)
  return until_ms and tonumber(until_ms) > now
end

local function is_in_use(queue)
  return redis.call('HEXISTS', key('queues'), queue) == 1 and not redis.call('ZSCORE', key('queues-idle'), queue)
end

local function queues_in_use() return redis.call('HLEN', key('queues')) - redis.call('ZCARD', key('queues-idle')) end

-- Counts queues for or off the one who opened them.
local function count_for_owner(owner, by)
  if not owner then return end
  if redis.call('HINCRBY', key('queue-owners'), owner, by) <= 0 then redis.call('HDEL', key('queue-owners'), owner) end
end

-- Nil if these queues have a place; else the refusal. `caller` is nil if nobody's own bound counts.
local function refuse_queues(names, caller, limits)
  local asked = 0
  for _, name in ipairs(names) do
    if not is_reserved(name) and not is_in_use(name) then asked = asked + 1 end
  end
  if asked == 0 then return nil end
  local in_use = queues_in_use()
  -- Idle queues are forgotten within seconds; until then there may be as many again.
  local known = redis.call('HLEN', key('queues'))
  if in_use + asked > limits.all or known + asked > 2 * limits.all then
    return {'TOO_MANY_QUEUES', {asked = asked, in_use = math.min(in_use, limits.all), max = limits.all, caller = ''}}
  end
  local own = caller and tonumber(redis.call('HGET', key('queue-owners'), caller) or 0) or 0
  if caller and own + asked > limits.caller then
    return {'TOO_MANY_QUEUES', {asked = asked, in_use = own, max = limits.caller, caller = caller}}
  end
  return nil
end

-- Makes a queue known, with what its tasks require, so that workers look into it.
local function declare_queue(queue, requirements, caller)
  local is_new = redis.call('HSETNX', key('queues'), queue, requirements) == 1
  local was_idle = redis.call('ZREM', key('queues-idle'), queue) == 1
  redis.call('HDEL', key('queues-unlisted'), queue)
  if not is_new and not was_idle then return end
  redis.call('SREM', key('queues-aged'), queue)
  if caller and not is_reserved(queue) then
    redis.call('HSET', key('queue-owner'), queue, caller)
    count_for_owner(caller, 1)
  else
    redis.call('HDEL', key('queue-owner'), queue)
  end
  if is_new then
    redis.call('PUBLISH', args.channels .. 'ready',
      string.format('{"from":"","at":%.0f,"data":{"queue":"%s"}}', now, queue))
  end
end

-- Tasks, of which `id` is one, begin to need a queue. A queue that was forgotten meanwhile is to be declared anew, for which its
-- caller must read what the task requires. The record of each of them is `used`.
local function need_queue(queue, id, tasks)
  redis.call('HINCRBY', key('queue-tasks'), queue, tasks)
  if redis.call('HEXISTS', key('queues'), queue) == 0 then
    if queue ~= 'work' then redis.call('HSET', key('queues-unlisted'), queue, id) end
  elseif redis.call('ZREM', key('queues-idle'), queue) == 1 then
    redis.call('SREM', key('queues-aged'), queue)
    count_for_owner(redis.call('HGET', key('queue-owner'), queue), 1)
  end
end

use_queue = function(id, queue)
  redis.call('HSET', task_key(id), 'used', '1')
  need_queue(queue, id, 1)
end

-- A queue is idle from now on. The plain ones stay, as people and other programs know them.
local function rest_queue(queue)
  if PLAIN[queue] or redis.call('HEXISTS', key('queues'), queue) == 0 then return end
  if redis.call('ZADD', key('queues-idle'), 'NX', now + IDLE_MS, queue) == 1 then
    count_for_owner(redis.call('HGET', key('queue-owner'), queue), -1)
  end
end

-- A task needs its queue no more. One of an older version never counted.
leave_queue = function(id)
  local queue, used = unpack(redis.call('HMGET', task_key(id), 'queue', 'used'), 1, 2)
  if not used then return end
  redis.call('HDEL', task_key(id), 'used')
  if redis.call('HINCRBY', key('queue-tasks'), queue, -1) > 0 then return end
  redis.call('HDEL', key('queue-tasks'), queue)
  rest_queue(queue)
end

-- Tasks of older versions are counted nowhere: their queues are left alone until the last job of that time has ended.
local function rest_old_queues()
  local since = redis.call('GET', key('queues-counted'))
  if not since then
    redis.call('SET', key('queues-counted'), now)
    for _, queue in ipairs(redis.call('HKEYS', key('queues'))) do
      if redis.call('HEXISTS', key('queue-tasks'), queue) == 0 then redis.call('SADD', key('queues-old'), queue) end
    end
    return
  end
  if redis.call('EXISTS', key('queues-old')) == 0 then return end
  local oldest = redis.call('ZRANGE', key('live'), 0, 0, 'WITHSCORES')[2]
  if oldest and tonumber(oldest) <= tonumber(since) then return end
  for _, queue in ipairs(redis.call('SMEMBERS', key('queues-old'))) do
    if redis.call('HEXISTS', key('queue-tasks'), queue) == 0 then rest_queue(queue) end
  end
  redis.call('DEL', key('queues-old'))
end

-- Whether BullMQ holds jobs of a queue that somebody may still want, or people set something for it.
local function is_queue_held(queue)
  for _, list in ipairs({'wait', 'active', 'paused'}) do
    if redis.call('LLEN', queue .. list) > 0 then return true end
  end
  for _, set in ipairs({'prioritized', 'delayed', 'waiting-children', 'repeat'}) do
    if redis.call('ZCARD', queue .. set) > 0 then return true end
  end
  for _, setting in ipairs(redis.call('HMGET', queue .. 'meta', 'paused', 'concurrency', 'max')) do
    if setting then return true end
  end
  return false
end

-- Removes SHIM's ended jobs from a queue, at most so many; whether none of any program is left.
local function remove_ended_jobs(queue, max)
  for _, ended in ipairs({'completed', 'failed'}) do
    for _, job in ipairs(redis.call('ZRANGE', queue .. ended, 0, max - 1)) do
      local data = redis.call('HGET', queue .. job, 'data')
      if not data or string.find(data, '"task_id":"' .. job .. '"', 1, true) then
        redis.call('ZREM', queue .. ended, job)
        redis.call('DEL', queue .. job, queue .. job .. ':logs')
      end
    end
  end
  return redis.call('ZCARD', queue .. 'completed') + redis.call('ZCARD', queue .. 'failed') == 0
end

-- The queues that an entry of the outbox is about; nil if there are too many entries to look at.
local function queues_in_outbox()
  if redis.call('ZCARD', key('outbox')) > 200 then return nil end
  local busy = {}
  for _, what in ipairs(redis.call('ZRANGE', key('outbox'), 0, -1)) do
    local queue = redis.call('HGET', task_key(what), 'queue')
    if queue then busy[queue] = true end
  end
  return busy
end

local function forget_queue(name)
  local queue, left = args.slot .. name .. ':', {}
  for i, part in ipairs(LEFT_OF_QUEUE) do left[i] = queue .. part end
  redis.call('DEL', key('seen:' .. name), unpack(left))
  redis.call('HDEL', key('queues'), name)
  redis.call('HDEL', key('queue-owner'), name)
  redis.call('ZREM', key('queues-idle'), name)
  redis.call('SREM', key('queues-aged'), name)
end

-- Forgets queues that have been idle for a while. One with ended jobs is kept for an hour longer, unless places are scarce.
local function forget_idle_queues(max, max_queues)
  local due = redis.call('ZRANGEBYSCORE', key('queues-idle'), '-inf', now, 'LIMIT', 0, max)
  local busy = #due > 0 and queues_in_outbox()
  if not busy then return end
  local is_scarce = redis.call('HLEN', key('queues')) > max_queues
  for _, name in ipairs(due) do
    local queue = args.slot .. name .. ':'
    local has_ended = redis.call('ZCARD', queue .. 'completed') + redis.call('ZCARD', queue .. 'failed') > 0
    if busy[name] or has_unread_events(name) or is_queue_held(queue) then
      redis.call('ZADD', key('queues-idle'), now + IDLE_MS, name)
    elseif has_ended and not is_scarce and redis.call('SADD', key('queues-aged'), name) == 1 then
      redis.call('ZADD', key('queues-idle'), now + AGED_MS, name)
    elseif remove_ended_jobs(queue, 500) then
      forget_queue(name)
    else
      redis.call('ZADD', key('queues-idle'), now + IDLE_MS, name)
    end
  end
end
