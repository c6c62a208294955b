-- Takes a job with its subtasks.
-- ARGV: ..., did, fingerprint, keep_did_ms, most jobs, deadline_ms ('' for none), how many tasks, then for each, the
--       root first: id, what does not change of it, queue, priority, how many tasks it waits for, weight, gates ('s'
--       before it starts, 'r' before its result counts), attempts, pause_ms, delay_ms, policy, ids that wait for it (in
--       one text), of a schedule's template when it runs first, how its worker is chosen, where its files are, and '1'
--       if its submitter is told how it goes
-- OK: now_us, owed, the root's id, then the tasks as they are now. Refusals: REQUEST_ID_REUSED, TOO_MANY.
local PER_TASK, FIRST = 16, 9
local done = once(ARGV[3], ARGV[4], ARGV[5], function()
  local tasks, root_id = tonumber(ARGV[8]), ARGV[FIRST]
  if redis.call('ZCARD', key('live')) >= tonumber(ARGV[6]) then return {'TOO_MANY'} end
  local weight = 0
  for i = 0, tasks - 1 do
    local a = FIRST + i * PER_TASK
    local id, unmet = ARGV[a], tonumber(ARGV[a + 4])
    local from = ARGV[a + 9] == '0' and '' or now + ARGV[a + 9]
    local is_job = i == 0 and tasks > 1
    local state = PENDING
    if is_job then state = RUNNING end
    redis.call('SET', key('spec:' .. id), ARGV[a + 1])
    local record = {'state', state, 'queue', ARGV[a + 2], 'priority', ARGV[a + 3], 'most', ARGV[a + 7], 'pause', ARGV[a + 8],
      'created', now}
    local function note(field, value, default)
      if tostring(value) ~= default then
        record[#record + 1] = field
        record[#record + 1] = value
      end
    end
    note('root', id == root_id and '' or root_id, '')
    note('unmet', unmet, DEFAULTS.unmet)
    note('weight', ARGV[a + 5], DEFAULTS.weight)
    note('policy', ARGV[a + 10], DEFAULTS.policy)
    note('gates', ARGV[a + 6], '')
    note('from', from, '')
    note('strategy', ARGV[a + 13], '1')
    note('place', ARGV[a + 14], '')
    note('told', ARGV[a + 15], '')
    redis.call('HSET', task_key(id), unpack(record))
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
  if tasks > 1 then
    redis.call('HSET', task_key(root_id), 'total', tasks - 1, 'parts', '1', 'done', 0, 'all', weight, 'in1', tasks - 1)
  end
  count('submitted', tasks)
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
  if tasks == 1 or string.find(root.gates, 's', 1, true) then
    release(root)
  else
    start_parts(root_id)
  end
  return answer(root_id)
end)
if is_done(done) then
  for _, found in ipairs(job_rows(done[4], 'errors')) do done[#done + 1] = found end
end
return done
