-- Takes up again what failed or was called off: a subtask with what was stranded by it, or a job.
-- ARGV: ..., did, fingerprint, keep_did_ms, task
-- OK: now_us, owed, how many, the task. Refusals: NOT_FOUND; NOT_OVER state; REQUEST_ID_REUSED.
local function is_lost(task) return task and (task.state == FAILED or task.state == CANCELLED) end

local function take_up(task, unmet)
  redis.call('ZREM', key('dead'), task.id)
  redis.call('HDEL', text_key(task.id), 'reason', 'message', 'result')
  advance(task, 0)
  enter(task, PENDING, 'attempts', 0, 'deaths', 0, 'ended', '', 'from', '', 'unmet', unmet, 'stuck', '')
  task.from, task.unmet = '', tostring(unmet)
  log(task.root, 'retried', task.id)
end

return with_row(once(ARGV[3], ARGV[4], ARGV[5], function()
  local task = load(ARGV[6])
  if not task then return {'NOT_FOUND'} end
  if not is_lost(task) then return {'NOT_OVER', task.state} end
  if task.parts == '' and is_root(task) then
    redis.call('ZREM', key('finished'), task.id)
    redis.call('ZADD', key('live'), now, task.id)
    take_up(task, 0)
    release(task)
    return answer(1)
  end

  -- The subtasks to take up: all that are lost, or one with what waits for it.
  local chosen, order = {}, redis.call('LRANGE', key('parts:' .. task.root), 0, -1)
  local function choose(id)
    if chosen[id] or not is_lost(load(id)) then return end
    chosen[id] = true
    for _, next_id in ipairs(redis.call('LRANGE', key('after:' .. id), 0, -1)) do choose(next_id) end
  end
  for _, id in ipairs(is_root(task) and order or {task.id}) do choose(id) end

  -- What each of them waits for is counted anew.
  local unmet = {}
  for _, id in ipairs(order) do
    if redis.call('HGET', task_key(id), 'state') ~= COMPLETED then
      for _, next_id in ipairs(redis.call('LRANGE', key('after:' .. id), 0, -1)) do
        unmet[next_id] = (unmet[next_id] or 0) + 1
      end
    end
  end
  local root = load(task.root)
  if is_over(root) then
    redis.call('ZREM', key('finished'), root.id)
    redis.call('ZADD', key('live'), now, root.id)
    redis.call('HDEL', text_key(root.id), 'reason', 'message')
    enter(root, RUNNING, 'ended', '')
  end
  local count = 0
  for _, id in ipairs(order) do
    if chosen[id] then
      count = count + 1
      local part = load(id)
      take_up(part, unmet[id] or 0)
      if not unmet[id] then release(part) end
    end
  end
  settle(root.id)
  return answer(count)
end), ARGV[6])
