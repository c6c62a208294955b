-- Forgets jobs that ended long ago, the oldest first, as many as one step takes.
-- args: request, older_than_ms, dead_letters (also those that hold some), dry_run (only counts), max (tasks looked at)
-- answer: jobs, tasks, dead_letters, has_more.

return once_per_request(function()
  local found = {jobs = 0, tasks = 0, dead_letters = 0, has_more = false}
  local before = string.format('%.0f', now - args.older_than_ms)

  -- Those of one list.
  local function prune(list)
    local kept = 0
    while true do
      local job = redis.call('ZRANGEBYSCORE', list, '-inf', before, 'WITHSCORES', 'LIMIT', kept, 1)
      if not job[1] then return end
      if tasks >= args.max then found.has_more = true return end
      local ids, dead = tasks_of(job[1])
      local stays = dead > 0 and not args.dead_letters
      if not stays then
        found.jobs, found.tasks, found.dead_letters = found.jobs + 1, found.tasks + #ids, found.dead_letters + dead
      end
      if args.dry_run or stays then kept = kept + 1 else forget_job(job[1], ids, list) end
    end
  end

  prune(finished)
  if args.dead_letters then prune(dead_jobs) end
  return answer(found)
end)
