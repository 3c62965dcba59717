--[[ The pacer's one script: every reading and writing of the windows, each call atomic.

KEYS[1]  the state: a hash with
           run     the server's run id that this state was made under
           settled microseconds; before it nothing is granted
           epoch   names the windows in force; missing: they must be refilled first
           filler  the epoch a refill is filling now, until `lease`; `page` of its pages are in
           seen    the highest time at which something was granted
           batch   a counter: names the grants of one call
ARGV[1]  the operation, ARGV[2] the prefix of all keys, ARGV[4] its argument as JSON
ARGV[3]  empty: the server's own clock counts. Only tests put a time (microseconds) here.

A window is a hash `<prefix>w:<epoch>:<seconds>:<key>`: slot number -> letters granted in that slot. A slot is 1/60 of
the window; it counts until its end is older than the window + GRACE, which is how long a grant may lie unused before
its content is written. Every grant counts in all of WINDOWS (or those that the asker names), asked or not, so that a limit
whose window is changed finds its counts there.
Window keys are made here and not passed in KEYS because the epoch in their names must be read in the same breath: one
server, no Redis Cluster.

Replies: {'ok', ...} | {'settling', microseconds} | {'needs refill'} | {'lost'}. ]]

local WINDOWS = {1, 60, 3600, 86400}
local GRACE = 5e6        -- how long a grant lives
local SETTLE = 5e6       -- so that grants of a server that is gone are dead
local BACK = 60e6        -- a clock set back further than this is not waited for: the windows are refilled
local LATE = 60e6        -- a grant is not taken back later than this
local LEASE = 15e6       -- a refill that says nothing for so long is dead
local LOOK_AGAIN = 1e6

local state, prefix = KEYS[1], ARGV[2]
local arg = cjson.decode(ARGV[4])

local function int(x) return string.format('%.0f', x) end  -- tostring() would write 1.8e+15

local function clock()
  if ARGV[3] ~= '' then return tonumber(ARGV[3]) end
  local t = redis.call('TIME')
  return t[1] * 1e6 + t[2]
end

local function width(window) return math.ceil(window * 1e6 / 60) end

local function name_of(epoch, window, key) return prefix .. 'w:' .. epoch .. ':' .. window .. ':' .. key end

-- the witness knows no epoch
if ARGV[1] == 'note' then
  local known = tonumber(redis.call('GET', prefix .. 'round') or '-1')
  if arg.n > known then redis.call('SET', prefix .. 'round', int(arg.n)) end
  return {'ok'}
end

local raw = clock()
local kept = redis.call('HMGET', state, 'run', 'settled', 'epoch', 'filler', 'lease', 'seen')
local run, settled, epoch, filler, lease = kept[1], tonumber(kept[2] or 0), kept[3], kept[4], tonumber(kept[5] or 0)
local seen = tonumber(kept[6] or 0)
local now = math.max(raw, seen)  -- a clock set back a little stands still until it has caught up
local this_run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')

-- Why nothing may be granted, or nil.
local function refusal()
  if run ~= this_run or seen - raw > BACK then
    redis.call('HDEL', state, 'epoch', 'filler', 'lease')
    redis.call('HSET', state, 'run', this_run, 'settled', int(raw + SETTLE), 'seen', int(raw))
    epoch, filler = nil, nil
    return {'settling', SETTLE}
  end
  if now < settled then return {'settling', settled - raw} end
  if epoch then return nil end
  if filler and now < lease then return {'settling', LOOK_AGAIN} end
  return {'needs refill'}
end

local function prune(name, window)
  local w, stale, flat = width(window), {}, redis.call('HGETALL', name)
  for i = 1, #flat, 2 do
    if (tonumber(flat[i]) + 1) * w <= now - window * 1e6 - GRACE then stale[#stale + 1] = flat[i] end
  end
  if #stale > 0 then redis.call('HDEL', name, unpack(stale)) end
end

local function add(name, window, slot, n)
  if redis.call('HINCRBY', name, int(slot), int(n)) > n then return end
  -- the first in its slot
  local w, span = width(window), window * 1e6 + GRACE
  redis.call('PEXPIRE', name, int((span + 2 * w + BACK) / 1000))
  if redis.call('HLEN', name) > span / w + 32 then prune(name, window) end
end

-- One window as it stands: its slots as read, and the sum of those that still count.
local function read(key, window)
  local w, used = width(window), 0
  local slots = redis.call('HGETALL', name_of(epoch, window, key))
  local oldest = (now - window * 1e6 - GRACE) / w - 1
  for i = 1, #slots, 2 do
    if tonumber(slots[i]) > oldest then used = used + tonumber(slots[i + 1]) end
  end
  return {window = window, width = w, slots = slots, oldest = oldest, used = used, taken = 0}
end

-- The slots that still count, oldest first, as {slot, letters}.
local function in_order(win)
  local order = {}
  for i = 1, #win.slots, 2 do
    local slot = tonumber(win.slots[i])
    if slot > win.oldest then order[#order + 1] = {slot, tonumber(win.slots[i + 1])} end
  end
  table.sort(order, function(a, b) return a[1] < b[1] end)
  return order
end

-- Microseconds until `need` letters have left the window.
local function until_left(win, need)
  if win.need == need then return win.wait end
  win.order = win.order or in_order(win)
  local span, left, leaves = win.window * 1e6 + GRACE, 0, nil
  for _, slot in ipairs(win.order) do
    left = left + slot[2]
    if left >= need then
      leaves = slot[1]
      break
    end
  end
  if not leaves and left + win.taken >= need then leaves = math.floor(now / win.width) end
  -- a limit below one: whatever leaves makes no room
  win.need, win.wait = need, now - raw + span + (leaves and (leaves + 1) * win.width - now or win.width)
  return win.wait
end

local function load_limits(keys, limits)
  local loaded = {}
  for i, limit in ipairs(limits) do
    local key, window = keys[limit[1]], limit[2]
    key.windows[window] = key.windows[window] or read(key.name, window)
    loaded[i] = {key = key, win = key.windows[window], count = limit[3]}
  end
  return loaded
end

local function named(names)
  local keys = {}
  for i, name in ipairs(names) do keys[i] = {name = name, windows = {}, taken = 0} end
  return keys
end

local function denial(kind, limits)
  local wait, which = 0, 0
  for _, i in ipairs(kind) do
    local limit = limits[i]
    if limit.win.used + 1 > limit.count then
      local t = until_left(limit.win, limit.win.used + 1 - limit.count)
      if t > wait then wait, which = t, i end
    end
  end
  return wait, which
end

local function take(kind, limits)
  local done = {}
  for _, i in ipairs(kind) do
    local key = limits[i].key
    if not done[key] then
      done[key], key.taken = true, key.taken + 1
      for _, win in pairs(key.windows) do
        win.used, win.taken = win.used + 1, win.taken + 1
      end
    end
  end
end

-- {keys: [name], limits: [[key, window, count]], kinds: [[limit]], wants: [kind], windows: [seconds]}
-- -> {'ok', epoch, batch, time, {wait, limit, wait, limit, ...}}, a wait of 0 being a grant
local function ask()
  local keys = named(arg.keys)
  local limits, answers, granted = load_limits(keys, arg.limits), {}, false
  for _, kind in ipairs(arg.wants) do
    local wait, which = denial(arg.kinds[kind], limits)
    if which == 0 then
      take(arg.kinds[kind], limits)
      granted = true
    end
    answers[#answers + 1] = math.ceil(wait)
    answers[#answers + 1] = which
  end
  if not granted then return {'ok', epoch, 0, now, answers} end
  for _, key in ipairs(keys) do
    for _, window in ipairs(key.taken > 0 and (arg.windows or WINDOWS) or {}) do
      add(name_of(epoch, window, key.name), window, math.floor(now / width(window)), key.taken)
    end
  end
  redis.call('HSET', state, 'seen', int(now))
  return {'ok', epoch, redis.call('HINCRBY', state, 'batch', 1), now, answers}
end

local function lower(key, at, n)
  for _, window in ipairs(WINDOWS) do
    local name, slot = name_of(epoch, window, key), int(math.floor(at / width(window)))
    local there = tonumber(redis.call('HGET', name, slot) or 0)
    if there > 0 then redis.call('HINCRBY', name, slot, int(-math.min(n, there))) end
  end
end

-- {keys: [name], grants: [[epoch, batch, index, time, [key]]]} -> {'ok', how many were taken back}
local function give_back()
  local sums, taken_back = {}, 0  -- key -> time -> letters: the grants of one call share their time
  for _, grant in ipairs(arg.grants) do
    local of, batch, index, at = grant[1], int(grant[2]), int(grant[3]), grant[4]
    local marks = prefix .. 'back:' .. of .. ':' .. batch
    if of == epoch and now - at < LATE and redis.call('SETBIT', marks, index, 1) == 0 then
      redis.call('PEXPIRE', marks, int((LATE + 2 * BACK) / 1000))
      taken_back = taken_back + 1
      for _, i in ipairs(grant[5]) do
        sums[i] = sums[i] or {}
        sums[i][at] = (sums[i][at] or 0) + 1
      end
    end
  end
  for i, times in pairs(sums) do
    for at, n in pairs(times) do lower(arg.keys[i], at, n) end
  end
  return {'ok', taken_back}
end

-- {keys: [name], limits: [[key, window, count]]} -> {'ok', {used, ...}}
local function used()
  local sums = {}
  for i, limit in ipairs(load_limits(named(arg.keys), arg.limits)) do sums[i] = limit.win.used end
  return {'ok', sums}
end

-- {token}: open a refill -> {'ok', time} | {'done'}
local function begin()
  redis.call('HSET', state, 'filler', arg.token, 'lease', int(now + LEASE), 'page', 0)
  return {'ok', now}
end

-- One window's slots -> letters, from a page's rows.
local function slots_of(rows, window)
  local sums, w = {}, width(window)
  local oldest = now - window * 1e6 - GRACE
  for _, row in ipairs(rows) do
    local slot = math.floor(math.min(row[2], now) / w)
    if (slot + 1) * w > oldest then
      sums[row[1]] = sums[row[1]] or {}
      sums[row[1]][slot] = (sums[row[1]][slot] or 0) + row[3]
    end
  end
  return sums
end

-- {token, page, keys: [name], rows: [[key, time, n]]}: one page of it, counted from 1; a repeated one adds nothing
local function fill()
  if arg.page <= tonumber(redis.call('HGET', state, 'page')) then return {'ok'} end
  for _, window in ipairs(WINDOWS) do
    for i, slots in pairs(slots_of(arg.rows, window)) do
      for slot, n in pairs(slots) do add(name_of(arg.token, window, arg.keys[i]), window, slot, n) end
    end
  end
  redis.call('HSET', state, 'lease', int(now + LEASE), 'page', arg.page)
  return {'ok'}
end

-- {token}: what was filled is in force from now on
local function finish()
  redis.call('HSET', state, 'epoch', arg.token, 'seen', int(now))
  redis.call('HDEL', state, 'filler', 'lease')
  return {'ok'}
end

if ARGV[1] == 'give back' then return give_back() end
if ARGV[1] == 'forget' then
  redis.call('HDEL', state, 'run', 'epoch', 'filler', 'lease')
  return {'ok'}
end

local refused = refusal()
local refilling = {begin = begin, fill = fill, finish = finish}
if not refilling[ARGV[1]] then
  if refused then return refused end
  return ARGV[1] == 'ask' and ask() or used()
end
if not refused then return {epoch == arg.token and 'ok' or 'done'} end
if ARGV[1] == 'begin' then
  if refused[1] == 'settling' and filler ~= arg.token then return refused end
  return begin()
end
if filler ~= arg.token then return {'lost'} end
return refilling[ARGV[1]]()
