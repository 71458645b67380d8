"""What to do first: one sentence for each kind of finding, for a carer who stands there and is no engineer.

The nearest and most likely cause comes first, and whoever is meant by the alert always before the equipment. Wherever a
fault may hide an emergency, the first step is to look after the person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class FirstStep(NamedTuple):
    """The sentence in Chinese and in English."""

    zh: str
    en: str


FIRST_STEPS: Mapping[str, FirstStep] = {
    "fall": FirstStep(
        "马上去看老人；先问哪里疼，不要急着扶起，叫不醒或疼得厉害就打 120。",
        "Go to the person at once; ask where it hurts before helping up; call an ambulance if they "
        "do not wake or are in great pain.",
    ),
    "help_call": FirstStep("马上去看老人或打电话过去。", "Go to the person, or call them, at once."),
    "smoke": FirstStep("先让老人离开，再打 119；不要乘电梯。", "Get the person out first, then call the fire brigade."),
    "gas": FirstStep(
        "不要开关任何电器；开窗、关阀、带老人离开，到屋外再打电话。",
        "Touch no switch; open windows, close the valve, bring the person out, and telephone from outside.",
    ),
    "carbon_monoxide": FirstStep(
        "马上开窗并带老人到室外；头晕或叫不醒就打 120。",
        "Open the windows and bring the person outside at once; call an ambulance if they are dizzy or do not wake.",
    ),
    "water_leak": FirstStep("防止老人滑倒，关上水阀。", "Keep the person from slipping, and close the water valve."),
    "motionless": FirstStep(
        "马上去看老人，叫一叫名字；叫不醒打 120，看有没有呼吸。",
        "Go to the person at once and say their name; if they do not wake, call an ambulance and look for breath.",
    ),
    "struggle": FirstStep(
        "马上去看老人，看呼吸和是否卡在床栏里。",
        "Go to the person at once; look at their breathing and whether they are caught in the bed rail.",
    ),
    "long_stay": FirstStep(
        "去敲门问一声；没人应就进去，看是不是起不来或摔倒了。",
        "Knock and ask; if nobody answers, go in: the person may have fallen or cannot get up.",
    ),
    "unattended": FirstStep(
        "去看看老人是否已回床、有没有摔倒。", "Go and see whether the person is back in bed or has fallen."
    ),
    "fence_left": FirstStep(
        "打电话给老人，问在哪里、要不要接；不接就去找，找不到打 110。",
        "Call the person: where are they, are they to be fetched? If nobody answers, look for them; else the police.",
    ),
    "zone_left": FirstStep(
        "马上去所示的地方找老人，陪着回来；不在那里就看大门和楼梯，找不到打 110。",
        "Go at once to the place shown and bring the person back; if they are not there, look at the doors and the "
        "stairs, then call the police.",
    ),
    "not_seen": FirstStep(
        "马上在屋里和门口找老人，并打电话；找不到打 110。人在就看定位牌戴着没有、有没有电。",
        "Look for the person at home and at the door at once, and call them; else call the police. If they are there, "
        "see that the tag is worn and has power.",
    ),
    "sleep_anomaly": FirstStep(
        "白天问问老人睡得怎样；连续几天请告诉医生。", "Ask how they slept; tell the doctor if it goes on."
    ),
    "heart_rate_low": FirstStep(
        "去看老人：人清醒吗、头晕吗；晕倒或叫不醒打 120；再看设备戴好没有。",
        "Go and see: awake, dizzy? Call an ambulance if they have fainted or do not wake; then see that the device "
        "sits well.",
    ),
    "possible_af": FirstStep(
        "胸闷、气短、头晕或半身无力就打 120；没有就摸摸脉搏，近日去做心电图。",
        "Call an ambulance for chest pain, short breath, dizziness or a weak side; else feel the pulse and have an ECG "
        "done within days.",
    ),
    "slow_rhythm": FirstStep(
        "去看老人：人清醒吗、头晕吗；晕倒或叫不醒打 120；没有不适就看胸带贴好没有。",
        "Go and see: awake, dizzy? Call an ambulance if they have fainted or do not wake; if well, see that the strap "
        "sits well.",
    ),
    "fast_rhythm": FirstStep(
        "去看老人：让其坐下休息；胸痛、气短、要晕倒就打 120；不然记下时间，告诉医生。",
        "Go and see; let the person sit and rest; call an ambulance for chest pain, short breath or faintness; "
        "else note the time and tell the doctor.",
    ),
    "heart_pause": FirstStep(
        "去看老人：晕倒过或眼前发黑就打 120；没有就请坐下，看胸带贴好没有，今天告诉医生。",
        "Go and see: call an ambulance if they fainted or it went black; else let them sit, see that the strap sits "
        "well, and tell the doctor today.",
    ),
    "heart_rate_high": FirstStep(
        "去看老人：让其坐下休息；胸闷、气短就打 120。",
        "Go and see; let the person sit and rest; call an ambulance for chest pain or short breath.",
    ),
    "possible_apnoea": FirstStep(
        "不急。轻看老人：面色好、有呼吸就让其睡，可侧卧；近日请医生查呼吸。叫不醒打 120。",
        "No hurry. Look in: if colour and breathing are good, let the person sleep, on their side; have it examined "
        "soon. Call an ambulance if they do not wake.",
    ),
    "spo2_low": FirstStep(
        "去看老人：嘴唇发紫、气急就打 120；再看指夹夹好没有。",
        "Go and see: call an ambulance for blue lips or hard breathing; then whether the clip sits well.",
    ),
    "respiratory_rate_low": FirstStep(
        "马上去看老人，叫醒并看胸口起伏；叫不醒就打 120。",
        "Go at once, wake the person and watch the chest; call an ambulance if they do not wake.",
    ),
    "respiratory_rate_high": FirstStep(
        "去看老人：让其坐起；气急、嘴唇发紫就打 120。",
        "Go and see; let the person sit up; call an ambulance for hard breathing or blue lips.",
    ),
    "temperature_high": FirstStep("去看老人，用体温计再量一次。", "Go and see, and measure again with a thermometer."),
    "temperature_low": FirstStep(
        "去看老人，盖暖，用体温计再量一次；糊涂、叫不醒打 120。",
        "Go and see, keep the person warm, measure again with a thermometer; call an ambulance if confused or not "
        "waking.",
    ),
    "spo2_high": FirstStep(
        "去看老人是否犯困、叫得醒；氧流量只按医嘱调小，并告诉医生。",
        "See whether the person is drowsy; turn the oxygen down only as ordered, and tell the doctor.",
    ),
    "blood_pressure_low": FirstStep(
        "让老人躺下、抬高双腿，五分钟后再量；头晕、叫不醒就打 120。",
        "Let the person lie down, legs up; measure again in five minutes; call an ambulance if faint.",
    ),
    "blood_pressure_high": FirstStep(
        "让老人静坐五分钟再量；头痛、胸痛、口角歪斜就打 120。",
        "Let the person sit quietly; measure again in five minutes; call an ambulance for headache, chest pain or "
        "a drooping face.",
    ),
    "glucose_low": FirstStep(
        "清醒就吃糖或喝糖水，十五分钟后再测；叫不醒不要喂，打 120。",
        "If awake, give sugar or a sweet drink; measure again after 15 minutes; if not waking, give nothing, call "
        "an ambulance.",
    ),
    "glucose_high": FirstStep(
        "让老人多喝水并再测一次；呕吐、犯困、气促就打 120，否则今天告诉医生。",
        "Let the person drink water and measure again; call an ambulance for vomiting, drowsiness or hard breathing, "
        "otherwise tell the doctor today.",
    ),
    "weight_gain": FirstStep(
        "看脚踝是否浮肿、平躺是否气促；今天告诉医生，气促就打 120。",
        "Look for swollen ankles; tell the doctor today; call an ambulance for short breath.",
    ),
    "news2_high": FirstStep(
        "马上去看老人：叫得醒吗、气急吗；评分高就打 120，并报出各项数值。",
        "Go at once: awake, breathing hard? Call an ambulance and read the values to them.",
    ),
    "news2_medium": FirstStep(
        "去看老人并把缺的项量上；一小时内请医生看，变差就打 120。",
        "Go and see, measure what is missing; have a doctor look within the hour; if worse, call an ambulance.",
    ),
    "news2_single": FirstStep(
        "马上去看老人：叫名字、问今天几号；叫不醒、口角歪斜就打 120。",
        "Go at once: say their name, ask the date; call an ambulance if not waking or the face droops.",
    ),
    "slow_change": FirstStep(
        "不急。今明两天问问老人的感觉、吃喝和服药，下次看病时带上曲线。",
        "No hurry. Ask within two days how they feel, eat and drink; show the doctor the curve.",
    ),
    "bed_exit": FirstStep(
        "去看老人，扶着去卫生间，防止摔倒。", "Go and help the person to the toilet, so that they do not fall."
    ),
    "bed_long": FirstStep("去看老人是否不舒服、起不来。", "Go and see whether the person is unwell or cannot get up."),
    "turn_due": FirstStep(
        "给老人翻身，看骶尾、脚跟有没有发红。", "Turn the person; look for red skin at the tail bone and the heels."
    ),
    "incontinence": FirstStep("给老人换尿垫、清洁皮肤。", "Change the pad and clean the skin."),
    "restless_night": FirstStep(
        "去看老人：疼吗、憋尿吗、气急吗；白天告诉医生。", "Go and see: pain, bladder, breath? Tell the doctor by day."
    ),
    "medication_due": FirstStep(
        "请老人服药；服后在平台上打勾。", "Let the person take the medication, and tick it when done."
    ),
    "medication_missed": FirstStep(
        "打电话或去看老人：药吃了吗、人怎样？不要自行补双份，照医嘱或问医生。",
        "Call or go: was it taken, how are they? Never give a double dose; do as ordered or ask the doctor.",
    ),
    "measurement_due": FirstStep(
        "请老人静坐五分钟后测量。", "Let the person sit quietly for five minutes, then measure."
    ),
    "measurement_missed": FirstStep(
        "今天帮老人补测一次，看设备有没有电。", "Help the person to measure today; see that the device has power."
    ),
    "drinking_due": FirstStep("请老人喝几口水；限水者照医嘱。", "Offer a drink; where fluids are limited, as ordered."),
    "visit_due": FirstStep(
        "今天去看老人，或打电话、视频问候。", "Visit the person today, or call by telephone or video."
    ),
    "visit_overdue": FirstStep(
        "今天就去看老人，或打电话、视频问候，并登记。", "Visit the person today, or call, and write it down."
    ),
    "task_due": FirstStep("请完成这项照护，并打勾。", "Do what is due for the person, and tick it."),
    "task_missed": FirstStep(
        "看老人还需不需要，补做或写明原因。", "See whether the person still needs it; do it, or say why not."
    ),
    "late_morning": FirstStep(
        "打电话问候；不接就去看老人，叫不醒打 120。",
        "Call the person; if nobody answers, go there; call an ambulance if they do not wake.",
    ),
    "unusual_silence": FirstStep(
        "打电话问候老人；不接就去看老人，叫不醒打 120。",
        "Call the person; if nobody answers, go and see; call an ambulance if they do not wake.",
    ),
    "late_back": FirstStep(
        "打电话给老人，再问常去的地方和邻居；天黑还找不到打 110。",
        "Call the person, then ask where they usually go and the neighbours; call the police if not found by dark.",
    ),
    "day_night_reversal": FirstStep(
        "白天陪老人多活动、少卧床；突然糊涂、说胡话，今天就告诉医生。",
        "Keep the person active by day; if suddenly confused, tell the doctor today.",
    ),
    "activity_decline": FirstStep(
        "不急。问问老人：疼吗、累吗、怕摔吗、吃得下吗；下次看病时说。",
        "No hurry. Ask the person: pain, tired, afraid to fall, appetite? Tell the doctor next time.",
    ),
    "no_sign_of_life": FirstStep(
        "马上打电话；不接就上门看老人，叫不醒打 120。",
        "Telephone at once; if nobody answers, go there; call an ambulance if they do not wake.",
    ),
    "not_back": FirstStep(
        "打电话给老人和常去的地方；找不到就打 110。", "Call the person and where they usually go; else call the police."
    ),
    "door_at_night": FirstStep(
        "马上去门口看老人是否出门，陪着回来。", "Go to the door at once; see whether they left, and bring them back."
    ),
    "fridge_open": FirstStep("打电话提醒，或去关上冰箱门。", "Remind the person by telephone, or close the fridge."),
    "stove_on": FirstStep(
        "马上打电话；不接就去关火，看老人。", "Telephone at once; if nobody answers, go and turn it off."
    ),
    "room_cold": FirstStep(
        "看老人冷不冷，开取暖、加衣被。", "See whether the person is cold; heat the room, add clothes."
    ),
    "room_hot": FirstStep(
        "让老人喝水、降温；头晕、发热、说胡话打 120。",
        "Let the person drink, cool the room; call an ambulance for dizziness, fever or confused speech.",
    ),
    "signal_poor": FirstStep(
        "看看老人；再把设备戴紧、夹好或擦净。在恢复前，请用手测。",
        "See that the person is well; then fit the device tightly or clean it. Until then measure by hand.",
    ),
    "signal_lost": FirstStep(
        "先去看看老人；再看设备有没有电、插头和网络、雷达前有没有遮挡。断电重启一次多半能好。",
        "See that the person is well; then look at the device's power, plug and network, and whether something stands "
        "before a radar. Switching it off and on often helps.",
    ),
    "not_worn": FirstStep(
        "请老人把设备戴上；在充电就等充好。", "Ask the person to put it on; if it is charging, let it finish."
    ),
    "device_dropped": FirstStep(
        "看看老人；捡起设备请老人戴上，检查有没有摔坏。",
        "See that the person is well; pick the device up, have it worn again, and look whether it is damaged.",
    ),
    "battery_low": FirstStep("今天给设备充电或换电池。", "Charge the device, or change its battery, today."),
    "device_fault": FirstStep(
        "把设备断电重启一次；仍报故障就换一台并通知维修。",
        "Switch the device off and on once; if it still reports the fault, use another one and tell the technician.",
    ),
    "path_down": FirstStep(
        "在恢复之前多去看看老人；看网关旁的设备基站通电没有、线插好没有。",
        "Look in on the residents until it is back; see that the base station has power and its cable.",
    ),
    "line_lost": FirstStep(
        "先去看看老人；再把设备到网关的线两头重新插紧，看设备灯亮不亮。",
        "See that the person is well; then push in the device's cable at both ends, and see that its light is on.",
    ),
    "broker_down": FirstStep(
        "在恢复之前多去看看老人。网关会自己重试；五分钟不好，把网关断电重启一次。",
        "Look in on the residents until it is back. The box keeps trying; after five minutes restart it.",
    ),
    "reconnecting": FirstStep(
        "呼救仍然有效。看设备电量和所在位置的信号；关机一分钟再开。",
        "Calls for help still come through. Look at its battery and reception; switch it off for a minute.",
    ),
    "clock_wrong": FirstStep(
        "报警不受影响。请在设备或手机应用里校准时间和时区。",
        "Alarms are not affected. Set the time and the time zone on the device or in its app.",
    ),
    "tamper": FirstStep(
        "去看设备是否被拆下或移动，装回原处。", "See whether the device was taken off or moved, and put it back."
    ),
    "delivery_failed": FirstStep(
        "先打电话通知该联系人；再查网络、短信或推送的设置。",
        "Telephone this contact first; then check the network and the settings of the channel.",
    ),
    "alert_flood": FirstStep(
        "先去看看老人；再查共同原因：停电、断网、基站或网关断电。",
        "See that the residents are well; then look for the common cause: power, network, base station.",
    ),
    "nobody_on_call": FirstStep(
        "现在就定下谁值班，并在值班表中填上；在此之前由收到本消息的人值班。",
        "Decide now who is on call and put it into the schedule; until then it is whoever reads this.",
    ),
    "assist_silent": FirstStep(
        "打电话给助急中心，请他们检查接收；查看网关的网络。恢复之前，报警只通知其他联系人。",
        "Telephone the centre and ask them to look at their receiver; check the box's network. Until it is back, "
        "alerts reach only the other contacts.",
    ),
    "queue_late": FirstStep(
        "在控制台查看未处理的报警，亲自打电话通知；再查网络，必要时把网关断电重启。",
        "Look at the open alerts on the console and telephone yourself; then check the network, restart the box if "
        "need be.",
    ),
    "disk_low": FirstStep(
        "通知维修：清理网关磁盘，或缩短历史保存天数。", "Tell the technician: free disk space, or keep less history."
    ),
    "disk_fault": FirstStep(
        "马上通知维修更换磁盘或存储卡；此前多去看看老人。",
        "Tell the technician at once, the disk or card may be failing; look in on the residents until then.",
    ),
    "box_clock_wrong": FirstStep(
        "查看网关的网络时间同步（NTP）；值班表和记录的时间在此之前可能不对。",
        "Check the box's time synchronisation (NTP); until then on-call schedules and recorded times may be wrong.",
    ),
    "box_was_off": FirstStep(
        "这段时间没有人值守：马上去看看每位老人，再查停电或停机的原因。",
        "Nobody was watched meanwhile: look in on every resident now, then find out why it was off.",
    ),
    "mains_lost": FirstStep(
        "查电源插头、插座和总闸；电池用完后报警会停止。",
        "Check the plug, the socket and the fuse; when the battery is empty, alerts stop.",
    ),
    "test_alert": FirstStep("这是测试，无需处理。", "This is a test, nothing needs to be done."),
    "test_failed": FirstStep(
        "打电话问助急中心有没有收到；没有就查双方的网络和密钥。",
        "Ask the centre by telephone whether it came; if not, check the network and the keys on both sides.",
    ),
    "box_fault": FirstStep(
        "网关已自行恢复，报警继续工作；一小时内又出现，请把网关断电重启并通知维修。",
        "The box has recovered by itself and goes on watching; if it comes again within an hour, "
        "switch it off and on and tell the technician.",
    ),
}
