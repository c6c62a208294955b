-- Takes a job with its subtasks.
-- ARGV: ..., did, fingerprint, keep_did_ms, most jobs, deadline_ms ('' for none), how many tasks, then for each, the
--       root first: id, what does not change of it, queue, priority, how many tasks it waits for, weight, gates ('s'
--       before it starts, 'r' before its result counts), attempts, pause_ms, delay_ms, policy, ids that wait for it (in
--       one text), of a schedule's template when it runs first, how its worker is chosen, and where its files are
-- OK: now_us, owed, the root's id, then the tasks as they are now. Refusals: REQUEST_ID_REUSED, TOO_MANY.
local PER_TASK, FIRST = 15, 9
local done = once(ARGV[3], ARGV[4], ARGV[5], function()
  local count, root_id = tonumber(ARGV[8]), ARGV[FIRST]
  if redis.call('ZCARD', key('live')) >= tonumber(ARGV[6]) then return {'TOO_MANY'} end
  local weight = 0
  for i = 0, count - 1 do
    local a = FIRST + i * PER_TASK
    local id, unmet = ARGV[a], tonumber(ARGV[a + 4])
    local from = ARGV[a + 9] == '0' and '' or now + ARGV[a + 9]
    local is_job = i == 0 and count > 1
    local state = PENDING
    if is_job then state = RUNNING end
    redis.call('SET', key('spec:' .. id), ARGV[a + 1])
    redis.call('HSET', task_key(id), 'state', state, 'root', root_id, 'queue', ARGV[a + 2], 'priority', ARGV[a + 3],
      'unmet', unmet, 'weight', ARGV[a + 5], 'gates', ARGV[a + 6], 'most', ARGV[a + 7], 'pause', ARGV[a + 8],
      'from', from, 'policy', ARGV[a + 10], 'created', now)
    if ARGV[a + 13] ~= '1' then redis.call('HSET', task_key(id), 'strategy', ARGV[a + 13]) end
    if ARGV[a + 14] ~= '' then redis.call('HSET', task_key(id), 'place', ARGV[a + 14]) end
    for next_id in string.gmatch(ARGV[a + 11], '%S+') do redis.call('RPUSH', key('after:' .. id), next_id) end
    if i > 0 then
      redis.call('RPUSH', key('parts:' .. root_id), id)
      weight = weight + ARGV[a + 5]
    end
  end

  redis.call('ZADD', key('live'), now, root_id)
  redis.call('ZADD', key('jobs'), now, root_id)
  if ARGV[7] ~= '' then
    redis.call('HSET', task_key(root_id), 'deadline', ARGV[7])
    redis.call('ZADD', key('deadlines'), ARGV[7], root_id)
    redis.call('ZADD', key('escalations'), now + (ARGV[7] - now) * 0.8, root_id)
  end
  if count > 1 then
    redis.call('HSET', task_key(root_id), 'total', count - 1, 'parts', '1', 'done', 0, 'all', weight, 'in1', count - 1)
  end
  log(root_id, 'submitted', root_id)
  local scheduled = ARGV[FIRST + 12]
  if scheduled ~= '' then
    -- The template of a schedule only waits: each run is a copy of it.
    local template = load(root_id)
    template.from = scheduled
    enter(template, DELAYED, 'from', scheduled)
    redis.call('ZREM', key('delayed'), root_id)
    redis.call('ZADD', key('schedules'), scheduled, root_id)
    return answer(root_id)
  end
  local root = load(root_id)
  if count == 1 or string.find(root.gates, 's', 1, true) then
    release(root)
  else
    start_parts(root_id)
  end
  return answer(root_id)
end)
if done[1] == 'OK' then
  for _, found in ipairs(job_rows(done[4], 'errors')) do done[#done + 1] = found end
end
return done
